/** One big number with its range drawn under it, and three facts. */

import type { Block, Context } from './block';
import { h, say, set, show } from './dom';
import { UNKNOWN } from './format';
import type { Snapshot } from './protocol';
import { mood, screen, stalledMs } from './screen';
import type { Kernel, State } from './store';
import { kernelOf } from './store';

/** How well the power of this moment is known: as well as its weakest device. */
export function powerQuality(snapshot: Snapshot): 'measured' | 'modelled' | 'assumed' {
  const known = snapshot.parts.filter(({ part }) => part !== 'rest').map(({ quality }) => quality);
  return known.includes('assumed') ? 'assumed' : known.includes('modelled') || known.length === 0 ? 'modelled' : 'measured';
}

export function powerNow(snapshot: Snapshot): number | null {
  const watts = Object.values(snapshot.power_w);
  return watts.length === 0 ? null : watts.reduce((sum, w) => sum + w, 0);
}

export function headline(context: Context): Block {
  const { t, f } = context;
  const number = h('span', { class: 'jc-number' });
  const unit = h('span', { class: 'jc-unit' });
  const what = h('span', { class: 'jc-what' }, t.__('CO₂e this session'));
  const band = h('i', { class: 'jc-band' });
  const likely = h('b', { class: 'jc-likely' });
  const bar = h('div', { class: 'jc-rangebar', 'aria-hidden': 'true' }, band, likely);
  const range = h('span');
  const energy = fact('jc-energy', t.__('energy'));
  const power = fact('jc-power', t.__('now'));
  const busy = fact('jc-busy', t.__('busy'));
  const stalled = h('p', { class: 'jc-stalled' });
  const former = h('p', { class: 'jc-former jc-muted' });
  const element = h(
    'section',
    { class: 'jc-headline', 'aria-label': t.__('This session') },
    stalled,
    h('p', { class: 'jc-hero' }, h('span', { class: 'jc-amount' }, number, ' ', unit), ' ', what),
    bar,
    h('p', { class: 'jc-range jc-muted' }, range),
    h('dl', { class: 'jc-facts' }, energy.element, power.element, busy.element),
    former
  );

  const live = (kernel: Kernel, snapshot: Snapshot, state: State): void => {
    const { totals } = snapshot;
    const quality = totals.quality ?? 'modelled';
    const grams = f.grams(totals.operational_gco2e.likely, quality, totals.exact);
    const { mixed } = totals;
    say(number, mixed ? UNKNOWN : grams.number);
    say(unit, mixed ? '' : grams.unit);
    const { low, high } = totals.operational_gco2e;
    const end = high * 1.15;
    show(bar, high > 0 && !mixed);
    if (end > 0) {
      set(band, 'style', `left:${percent(low / end)};width:${percent((high - low) / end)}`);
      set(likely, 'style', `left:${percent(totals.operational_gco2e.likely / end)}`);
    }
    say(range, mixed ? t.__('Not summed: these cells have intensities of different kinds') : high > 0 ? t.__('%1, 5 to 95 %', f.range(totals.operational_gco2e, 'g')) : t.__('No cell has run yet'));
    energy.say(f.quantity(totals.facility_energy_kwh.likely, 'kWh', quality));
    const watts = powerNow(snapshot);
    power.say(watts === null ? '–' : f.quantity(watts, 'W', powerQuality(snapshot)));
    set(power.element, 'title', watts === null ? t.__('No cell runs') : null);
    busy.say(f.duration(totals.busy_s));
    const age_ms = stalledMs(kernel, state.now_ms);
    const how = mood(kernel, state.now_ms);
    set(element, 'data-mood', how);
    show(stalled, how === 'stalled' || how === 'lost' || how === 'ended');
    say(
      stalled,
      how === 'ended'
        ? t.__('The kernel has died; this is what it had used.')
        : how === 'lost'
          ? t.__('Not connected to the kernel; numbers of %1.', f.time(kernel.received_ms / 1000))
          : t.__('No sample for %1 s: the cell holds Python’s lock', f.integer(age_ms / 1000))
    );
  };

  const update = (state: State): void => {
    const kernel = kernelOf(state);
    const isLive = screen(state) === 'live';
    const ended = kernel?.former ?? null;
    show(element, isLive || ended !== null);
    for (const child of element.children) {
      if (child !== former && child !== stalled && child instanceof HTMLElement) {
        show(child, isLive);
      }
    }
    show(stalled, false);
    show(former, ended !== null);
    if (ended !== null) {
      say(
        former,
        t.__(
          'The session before ended at %1: %2 CO₂e, %3',
          f.time(ended.ended_ms / 1000),
          ended.gco2e === null ? UNKNOWN : f.gramsText(ended.gco2e.likely, ended.quality ?? 'modelled', ended.exact),
          f.quantity(ended.energy_kwh, 'kWh', ended.quality ?? 'modelled')
        )
      );
    }
    if (isLive && kernel?.snapshot) {
      live(kernel, kernel.snapshot, state);
    }
  };
  return { element, update };
}

const percent = (share: number): string => `${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%`;

function fact(name: string, label: string): { element: HTMLElement; say(text: string): void } {
  const value = h('dd', { class: name });
  const element = h('div', { class: 'jc-fact' }, h('dt', {}, label), value);
  return { element, say: text => say(value, text) };
}
