/** Method and sources: where each number comes from, what is in doubt, and the curve as a table. */

import type { Block, Context } from './block';
import { partWord, qualityWord } from './block';
import { button, h, say, show } from './dom';
import { basisWord } from './facts';
import { fold } from './fold';
import type { Snapshot } from './protocol';
import { PARTS } from './protocol';
import { gridNow } from './outlook';
import { screen } from './screen';
import type { State } from './store';
import { kernelOf } from './store';
import { flagWord } from './flags';

export function method(context: Context): Block {
  const { t, f } = context;
  const intro = h(
    'p',
    {},
    t.__('Energy is counted or modelled at the devices, brought to the wall and to the building, and multiplied by the grid’s grams per kWh. The range holds nine times out of ten. ≈ stands before what is not measured.')
  );
  const sources = h('dl', { class: 'jc-sources' });
  const doubts = h('ul', { class: 'jc-doubts' });
  const doubtsHead = h('h4', {}, t.__('In doubt'));
  const remedies = h('ul', { class: 'jc-remedies' });
  const remediesHead = h('h4', {}, t.__('What would help'));
  const values = h('table', { class: 'jc-values' });
  const version = h('span');
  const settings = button('jc-settings jc-link', () => context.act({ type: 'settings' }), t.__('Settings'));
  show(settings, context.offers.has('settings'));
  const section = fold(context, 'method', [t.__('Method and sources')], [intro, sources, doubtsHead, doubts, remediesHead, remedies, values, h('p', { class: 'jc-version' }, version, settings)]);

  let drawn = '';
  const update = (state: State): void => {
    const kernel = kernelOf(state);
    const snapshot = kernel?.snapshot ?? null;
    section.update(state);
    show(section.element, screen(state) === 'live');
    if (kernel === null || snapshot === null || state.folded.has('method')) {
      return;
    }
    const { parts, flags } = snapshot;
    const intensity = gridNow(kernel) ?? snapshot.intensity;
    const about = kernel.about;
    const lines: [string, string][] = [
      ...parts.map(({ part, quality, source }): [string, string] => [partWord(t, part), t.__('%1 · %2', qualityWord(t, quality), source)]),
      [t.__('Grid'), t.__('%1 g/kWh, %2, %3', f.range(intensity.gco2e_per_kwh, 'g').replace(/ g$/, ''), basisWord(context, intensity), intensity.source)],
      [t.__('Building'), t.__('PUE %1, %2', f.ratio(intensity.pue), intensity.pue_source)],
      ...(about?.findings ?? []).map(({ topic, text }): [string, string] => [topic, text])
    ];
    const key = JSON.stringify([lines, flags, about]);
    if (key !== drawn) {
      drawn = key;
      sources.replaceChildren(...lines.map(([term, text]) => h('div', {}, h('dt', {}, term), h('dd', {}, text))));
      doubts.replaceChildren(...flags.map(flag => h('li', {}, flagWord(t, flag, about))));
      const helps = (about?.findings ?? []).filter(({ remedy }) => remedy !== null);
      remedies.replaceChildren(...helps.map(({ topic, remedy }) => h('li', {}, h('b', {}, topic), h('pre', { tabindex: 0 }, remedy ?? ''))));
      show(doubtsHead, flags.length > 0);
      show(remediesHead, helps.length > 0);
      say(version, about === null ? '' : t.__('jupyter_carbon %1', about.version));
    }
    drawValues(snapshot);
  };

  /** Every fifth second of the curve, newest first. */
  const drawValues = ({ tail, parts }: Snapshot): void => {
    const known = PARTS.filter(part => tail.power_w[part] !== undefined);
    const picked = [0, 5, 10, 15, 20, 30, 40, 50, 60].flatMap(age => {
      const i = tail.age_s.findIndex((at, j) => at >= age && (tail.age_s[j + 1] ?? -1) < age);
      return i < 0 ? [] : [i];
    });
    show(values, picked.length > 0);
    values.replaceChildren(
      h('caption', {}, t.__('Power of the last minute')),
      h('thead', {}, h('tr', {}, ...[t.__('s ago'), ...known.map(part => partWord(t, part))].map(word => h('th', { scope: 'col' }, word)))),
      h(
        'tbody',
        {},
        ...[...new Set(picked)].map(i =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, f.integer(tail.age_s[i] ?? 0)),
            ...known.map(part => h('td', {}, f.quantity(tail.power_w[part]?.[i] ?? 0, 'W', parts.find(state => state.part === part)?.quality ?? 'modelled')))
          )
        )
      )
    );
  };
  return { element: section.element, update };
}
