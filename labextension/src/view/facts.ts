/** What the number stands on: the grid, whose share, what is beside it; and what it is like. */

import type { Block, Context } from './block';
import { button, h, icon, say, show } from './dom';
import { gridNow } from './outlook';
import type { Equivalent, Grid, Intensity, Snapshot } from './protocol';
import { screen } from './screen';
import type { State } from './store';
import { equivalentOf, kernelOf } from './store';

const ROAD = ['M4 12.500a1.600 1.600 0 1 0 0-.010M5.600 12.500h4.900a2.500 2.500 0 0 0 0-5H6a2.200 2.200 0 0 1 0-4.400h4.300M12 1.500a1.600 1.600 0 1 1 0 3.200 1.600 1.600 0 0 1 0-3.200'];
const BULB = ['M5.800 10.800C4.500 9.900 3.800 8.600 3.800 7a4.200 4.200 0 0 1 8.400 0c0 1.600-.7 2.900-2 3.800v1.400H5.800zM6.500 14h3'];

/** Grams per kWh in words: average or marginal, life cycle or direct. */
export function basisWord({ t }: Context, { method, basis }: Pick<Grid, 'method' | 'basis'>): string {
  if (method === 'average') {
    return basis === 'lifecycle' ? t.__('average, life cycle') : t.__('average, direct');
  }
  return basis === 'lifecycle' ? t.__('marginal, life cycle') : t.__('marginal, direct');
}

/** Three digits of what was measured or is a year's published mean, two and `≈` of what is estimated or foretold. */
export function intensityText({ f }: Pick<Context, 'f'>, { gco2e_per_kwh, status, start }: Grid): string {
  const { likely } = gco2e_per_kwh;
  return status === 'actual' || start === null ? `${f.plain(likely, 3)}\u00a0g/kWh` : `≈\u00a0${f.plain(likely, 2)}\u00a0g/kWh`;
}

/** Of what time a number is, and how that is known. */
export function timeWord({ t, f }: Context, { status, year, start, end }: Grid): string {
  if (start === null || end === null) {
    return year === null ? t.__('the mean of a year') : t.__('mean of %1', String(year));
  }
  const when = f.span(f.time(start), f.time(end));
  return {
    actual: t.__('measured %1', when),
    estimated: t.__('estimated %1', when),
    forecast: t.__('forecast %1', when),
    yearly: t.__('usual for %1', when)
  }[status];
}

/** How coming hours are known. */
export function courseWord({ t }: Context, status: Grid['status']): string {
  return {
    actual: t.__('live'),
    estimated: t.__('live, estimated'),
    forecast: t.__('forecast'),
    yearly: t.__('an average day of this month, no forecast')
  }[status];
}

export function facts(context: Context): Block {
  const { t, f } = context;
  const grid = line('jc-intensity', t.__('Grid'));
  const yearly = line('jc-yearly', t.__('Its year'));
  const building = line('jc-building', t.__('Building'));
  const share = line('jc-share', t.__('Share'));
  const between = line('jc-between', t.__('Idle'));
  const embodied = line('jc-embodied', t.__('Hardware'));
  const water = line('jc-water', t.__('Water'));
  embodied.element.title = t.__('The share of making this hardware; beside the number above, not in it');
  between.element.title = t.__('Ours while no cell ran; in no cell and not in the number above');
  const lines = [grid, yearly, building, share, between, embodied, water];

  const amount = h('b', { class: 'jc-eq-value' });
  const like = h('span', { class: 'jc-eq-name' });
  const source = h('span', { class: 'jc-eq-source jc-muted' });
  const another = button('jc-another jc-link', () => context.dispatch({ type: 'another-equivalent' }), t.__('another'));
  const road = icon(...ROAD);
  const bulb = icon(...BULB);
  const card = h(
    'div',
    { class: 'jc-equivalent', role: 'group', 'aria-label': t.__('What it is like') },
    road,
    bulb,
    h('div', {}, h('p', {}, amount, ' ', like), h('p', { class: 'jc-muted' }, source, ' ', another))
  );
  const element = h('section', { class: 'jc-factsblock', 'aria-label': t.__('What it stands on') }, card, h('dl', { class: 'jc-lines' }, ...lines.map(({ element }) => element)));

  const update = (state: State): void => {
    const snapshot = kernelOf(state)?.snapshot ?? null;
    const isLive = screen(state) === 'live' && snapshot !== null;
    show(element, isLive);
    if (!isLive || snapshot === null) {
      return;
    }
    fill(snapshot, gridNow(kernelOf(state)) ?? snapshot.intensity);
    const chosen = equivalentOf(state);
    show(card, chosen !== null);
    if (chosen !== null) {
      say(amount, equivalentAmount(context, chosen));
      say(like, chosen.name);
      const dated = chosen.year === null || chosen.source.includes(String(chosen.year));
      say(source, dated ? chosen.source : t.__('%1 · %2', chosen.source, String(chosen.year)));
      show(another, snapshot.equivalents.length > 1);
      const drives = /(?:^| )[kmµ]?m$/.test(chosen.unit);
      show(road, drives);
      show(bulb, !drives);
    }
  };

  const fill = ({ totals, flags }: Snapshot, intensity: Intensity): void => {
    const quality = totals.quality ?? 'modelled';
    const guessed = flags.find(flag => flag.startsWith('region-'));
    grid.say(
      t.__('%1 · %2', intensityText(context, intensity), intensity.name),
      t.__('%1 · %2', basisWord(context, intensity), timeWord(context, intensity)),
      guessed === undefined ? null : regionWord(context, guessed)
    );
    const { gco2e_per_kwh, yearly_gco2e_per_kwh } = intensity;
    show(yearly.element, intensity.start !== null && yearly_gco2e_per_kwh > 0);
    const ratio = gco2e_per_kwh.likely / yearly_gco2e_per_kwh - 1;
    yearly.say(
      t.__('%1 g/kWh', f.plain(yearly_gco2e_per_kwh, 3)),
      ratio < 0 ? t.__('now %1 below', f.percent(-ratio)) : t.__('now %1 above', f.percent(ratio))
    );
    show(share.element, totals.machine_energy_j > 0);
    building.say(t.__('PUE %1', f.ratio(intensity.pue)));
    share.say(
      t.__(
        '%1 of the machine’s %2',
        f.percent(totals.energy_j / totals.machine_energy_j),
        f.quantity(totals.machine_energy_j / 3.6e6, 'kWh', quality)
      )
    );
    share.element.title = t.__(
      'Yours %1 of the machine’s %2, at the devices',
      f.quantity(totals.energy_j / 3.6e6, 'kWh', quality),
      f.quantity(totals.machine_energy_j / 3.6e6, 'kWh', quality)
    );
    show(between.element, totals.idle_energy_kwh > 0);
    between.say(t.__('%1 between cells', f.quantity(totals.idle_energy_kwh, 'kWh', quality)));
    embodied.say(totals.embodied_gco2e === null ? '–' : t.__('%1 CO₂e to make', f.quantity(totals.embodied_gco2e, 'g', 'assumed')), totals.embodied_gco2e === null ? t.__('not known') : null);
    water.say(totals.water_l === null ? '–' : f.quantity(totals.water_l, 'l', 'assumed'), totals.water_l === null ? t.__('not known') : null);
  };
  return { element, update };
}

function regionWord({ t }: Context, flag: string): string {
  switch (flag) {
    case 'region-guessed':
      return t.__('place guessed from the time zone');
    case 'region-unknown':
      return t.__('place unknown: the world’s average');
    default:
      return t.__('the place asked for is not known');
  }
}

function equivalentAmount({ f }: Context, { value, unit }: Equivalent): string {
  return unit === '' ? `≈\u00a0${f.plain(value, 2)}` : `≈\u00a0${f.plain(value, 2)}\u00a0${unit}`;
}

function line(name: string, label: string): { element: HTMLElement; say(first: string, second?: string | null, third?: string | null): void } {
  const first = h('span', { class: 'jc-first' });
  const second = h('span', { class: 'jc-second jc-muted' });
  const third = h('span', { class: 'jc-second jc-doubt' });
  const element = h('div', { class: `jc-line ${name}` }, h('dt', {}, label), h('dd', {}, first, ' ', second, ' ', third));
  return {
    element,
    say: (one, two = null, three = null) => {
      say(first, one);
      say(second, two ?? '');
      show(second, two !== null);
      say(third, three ?? '');
      show(third, three !== null);
    }
  };
}
