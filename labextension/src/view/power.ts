/** The last minute of power, stacked; the legend reads it out, now or where the reader points. */

import type { Block, Context } from './block';
import { partWord, qualityWord } from './block';
import { h, say, set, show, svg } from './dom';
import { powerQuality } from './headline';
import type { Part, Snapshot } from './protocol';
import { PARTS } from './protocol';
import { screen } from './screen';
import type { State } from './store';
import { kernelOf } from './store';

const SPAN_S = 60;
const WIDTH = 600;
const HEIGHT = 100;
/** A point that stands for longer than this is drawn as the flat mean that it is. */
const FLAT_S = 2.5;

const STEPS = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** The next round number at or above `value`. */
export function ceiling(value: number): number {
  if (value <= 0) {
    return 1;
  }
  const decade = 10 ** Math.floor(Math.log10(value));
  return (STEPS.find(step => step * decade >= value * 0.999) ?? 10) * decade;
}

export interface Layer {
  readonly part: Part;
  readonly d: string;
}

/** Areas from the bottom up, in a box of 600 by 100 that ends now; and the watts at its top. */
export function layers(tail: Snapshot['tail']): { readonly layers: readonly Layer[]; readonly top_w: number } {
  const { age_s, power_w } = tail;
  const drawn = [...PARTS].reverse().filter(part => power_w[part] !== undefined);
  const sums = age_s.map((_, i) => drawn.reduce((sum, part) => sum + (power_w[part]?.[i] ?? 0), 0));
  const top_w = ceiling(Math.max(0, ...sums));
  const x = (age: number): string => (WIDTH * (1 - Math.min(age, SPAN_S) / SPAN_S)).toFixed(1);
  const y = (watts: number): string => (HEIGHT * (1 - watts / top_w)).toFixed(1);

  const edge = (heights: readonly number[]): string[] =>
    age_s.flatMap((age, i) => {
      const before = age_s[i - 1];
      const height = y(heights[i] ?? 0);
      const flat = before !== undefined && before - age > FLAT_S;
      return flat ? [`${x(before)} ${height}`, `${x(age)} ${height}`] : [`${x(age)} ${height}`];
    });

  let below: readonly number[] = age_s.map(() => 0);
  const areas = drawn.map(part => {
    const above = below.map((height, i) => height + (power_w[part]?.[i] ?? 0));
    const d = `M${edge(above).join('L')}L${edge(below).reverse().join('L')}Z`;
    below = above;
    return { part, d };
  });
  return { layers: age_s.length < 2 ? [] : areas, top_w };
}

export function power(context: Context): Block {
  const { t, f } = context;
  const areas = new Map(PARTS.map(part => [part, svg('path', { class: `jc-area jc-${part}` })]));
  const cursor = svg('line', { class: 'jc-cursor', y1: 0, y2: HEIGHT });
  const picture = svg(
    'svg',
    { class: 'jc-curve', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' },
    svg('path', { class: 'jc-grid', d: `M0 0H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT}H${WIDTH}` }),
    ...[...areas.values()].reverse(),
    cursor
  );
  const top = h('span', { class: 'jc-top' });
  const half = h('span', { class: 'jc-half' });
  const right = h('span', { class: 'jc-right' });
  const reader = h('div', {
    class: 'jc-reader',
    role: 'slider',
    tabindex: 0,
    'aria-label': t.__('Read the power of the last minute'),
    'aria-valuemin': -SPAN_S,
    'aria-valuemax': 0
  });
  const rows = new Map(PARTS.map(part => [part, row(context, part)]));
  const heading = h('th', { scope: 'col', class: 'jc-when' });
  const legend = h(
    'table',
    { class: 'jc-legend' },
    h('caption', { class: 'jc-sr' }, t.__('Power by part')),
    h(
      'thead',
      { class: 'jc-sr' },
      h('tr', {}, h('th', { scope: 'col' }, t.__('Part')), heading, h('th', { scope: 'col' }, t.__('How it is known')))
    ),
    h('tbody', {}, ...[...rows.values()].map(({ element }) => element))
  );
  const when = h('span', { class: 'jc-at' });
  const reasons = h('ul', { class: 'jc-reasons' });
  const element = h(
    'section',
    { class: 'jc-powerblock', 'aria-label': t.__('Power') },
    h('div', { class: 'jc-chart' }, picture, top, half, reader),
    h('div', { class: 'jc-axis jc-muted' }, h('span', {}, t.__('60 s ago')), when, right),
    legend,
    reasons
  );

  let snapshot: Snapshot | null = null;
  let pointed_s: number | null = null; // the age that the reader points at

  const draw = (): void => {
    if (snapshot === null) {
      return;
    }
    const { tail, parts, power_w } = snapshot;
    const picked = pointed_s === null ? -1 : nearest(tail.age_s, pointed_s);
    const age_s = tail.age_s[picked];
    const running = snapshot.running !== null;
    show(cursor, age_s !== undefined);
    if (age_s !== undefined) {
      const at = WIDTH * (1 - Math.min(age_s, SPAN_S) / SPAN_S);
      set(cursor, 'x1', at);
      set(cursor, 'x2', at);
    }
    const quality = powerQuality(snapshot);
    let total_w = 0;
    for (const [part, line] of rows) {
      const state = parts.find(known => known.part === part);
      const watts = age_s === undefined ? power_w[part] : tail.power_w[part]?.[picked];
      show(line.element, state !== undefined && (state.part !== 'rest' || tail.power_w.rest !== undefined));
      total_w += watts ?? 0;
      if (state !== undefined) {
        line.fill(watts === undefined ? '–' : f.quantity(watts, 'W', state.quality), state.quality, state.source);
      }
    }
    const words =
      age_s === undefined
        ? ''
        : t.__('%1 s ago: %2', f.integer(age_s), f.quantity(total_w, 'W', quality));
    say(when, words);
    say(heading, age_s === undefined ? t.__('Now') : words);
    say(right, running ? t.__('now') : t.__('end of the last cell'));
    set(reader, 'aria-valuenow', age_s === undefined ? 0 : -Math.round(age_s));
    set(reader, 'aria-valuetext', words === '' ? t.__('now: %1', f.quantity(total_w, 'W', quality)) : words);
  };

  const point = (age_s: number | null): void => {
    pointed_s = age_s === null ? null : Math.min(SPAN_S, Math.max(0, age_s));
    draw();
  };
  reader.addEventListener('pointermove', event => {
    const box = reader.getBoundingClientRect();
    point(SPAN_S * (1 - (event.clientX - box.left) / box.width));
  });
  reader.addEventListener('pointerleave', () => point(null));
  reader.addEventListener('blur', () => point(null));
  reader.addEventListener('keydown', event => {
    const to = { ArrowLeft: (pointed_s ?? 0) + 1, ArrowRight: (pointed_s ?? 0) - 1, Home: SPAN_S, End: 0, Escape: null }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      point(to);
    }
  });

  const update = (state: State): void => {
    const kernel = kernelOf(state);
    snapshot = kernel?.snapshot ?? null;
    const isLive = screen(state) === 'live' && snapshot !== null;
    show(element, isLive);
    if (!isLive || snapshot === null) {
      return;
    }
    const drawn = layers(snapshot.tail);
    for (const [part, path] of areas) {
      set(path, 'd', drawn.layers.find(layer => layer.part === part)?.d ?? 'M0 0');
    }
    say(top, f.given(drawn.top_w, 'W'));
    say(half, drawn.layers.length === 0 ? t.__('The curve begins with the next cell.') : '');
    show(top, drawn.layers.length > 0);
    show(half, drawn.layers.length === 0);
    set(picture, 'aria-label', sentence(context, snapshot));
    const why = snapshot.parts.filter(({ reason }) => reason !== null);
    if (reasons.childElementCount !== why.length || why.some(({ reason }, i) => !reasons.children[i]?.textContent?.endsWith(reason ?? ''))) {
      reasons.replaceChildren(
        ...why.map(({ part, quality, reason }) =>
          h('li', {}, t.__('%1 %2: %3', partWord(t, part), qualityWord(t, quality), reason ?? ''))
        )
      );
    }
    draw();
  };
  return { element, update };
}

function row(context: Context, part: Part): { element: HTMLElement; fill(watts: string, quality: 'measured' | 'modelled' | 'assumed', source: string): void } {
  const { t } = context;
  const watts = h('td', { class: 'jc-watts' });
  const tag = h('span', { class: 'jc-tag' });
  const element = h(
    'tr',
    { class: `jc-part jc-${part}` },
    h('th', { scope: 'row' }, h('i', { class: 'jc-swatch', 'aria-hidden': 'true' }), partWord(t, part)),
    watts,
    h('td', { class: 'jc-how' }, tag)
  );
  if (part === 'rest') {
    set(element, 'title', t.__('Supply losses, board, fans and the building'));
  }
  return {
    element,
    fill: (text, quality, source) => {
      say(watts, text);
      say(tag, qualityWord(t, quality));
      set(tag, 'data-quality', quality);
      set(tag, 'title', source);
    }
  };
}

function nearest(ages: readonly number[], age: number): number {
  return ages.reduce((best, candidate, i) => (Math.abs(candidate - age) < Math.abs((ages[best] ?? Infinity) - age) ? i : best), 0);
}

function sentence({ t, f }: Context, { tail, parts }: Snapshot): string {
  const totals = tail.age_s.map((_, i) => Object.values(tail.power_w).reduce((sum, column) => sum + (column[i] ?? 0), 0));
  if (totals.length < 2) {
    return t.__('Power over the last minute: nothing yet');
  }
  const mean = (part: Part): number => (tail.power_w[part] ?? []).reduce((sum, w) => sum + w, 0);
  const most = [...PARTS].sort((a, b) => mean(b) - mean(a))[0] ?? 'cpu';
  const quality = parts.every(({ part, quality }) => part === 'rest' || quality === 'measured') ? 'measured' : 'modelled';
  return t.__(
    'Power over the last minute: %1 to %2, most of it %3',
    f.quantity(Math.min(...totals), 'W', quality),
    f.quantity(Math.max(...totals), 'W', quality),
    partWord(t, most)
  );
}
