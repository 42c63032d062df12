/** The coming day of the grid: its cleanest hour, a small curve, and whether waiting is worth it. */

import type { Block, Context } from './block';
import { h, say, set, show, svg } from './dom';
import { basisWord, courseWord, intensityText, timeWord } from './facts';
import { fold } from './fold';
import { outlookDue } from './outlook';
import { ceiling } from './power';
import type { Day, OutlookAnswer } from './protocol';
import { screen } from './screen';
import type { State } from './store';
import { kernelOf } from './store';

const WIDTH = 600;
const HEIGHT = 100;
const DAY_S = 86_400;
/** An answer that is older has its time beside it. */
const OLD_MS = 1_800_000;

export interface Drawn {
  readonly line: string;
  readonly band: string;
  readonly top: number;
}

/** Steps from left to right in a box of 600 by 100, with their range; and the g/kWh at its top. */
export function steps({ low, likely, high }: Pick<Day, 'low' | 'likely' | 'high'>): Drawn {
  const top = ceiling(Math.max(0, ...high));
  const width = WIDTH / Math.max(1, likely.length);
  const y = (grams: number): string => (HEIGHT * (1 - grams / top)).toFixed(1);
  const edge = (heights: readonly number[]): string[] =>
    heights.flatMap((grams, i) => [`${(i * width).toFixed(1)} ${y(grams)}`, `${((i + 1) * width).toFixed(1)} ${y(grams)}`]);
  return { line: `M${edge(likely).join('L')}`, band: `M${edge(high).join('L')}L${edge(low).reverse().join('L')}Z`, top };
}

export function comingDay(context: Context): Block {
  const { t, f, act } = context;
  const best = h('p', { class: 'jc-best' });
  const saving = h('p', { class: 'jc-muted jc-bestsaving' });
  const band = svg('path', { class: 'jc-dayband' });
  const line = svg('path', { class: 'jc-dayline' });
  const hour = svg('rect', { class: 'jc-besthour', y: 0, height: HEIGHT });
  const moment = svg('line', { class: 'jc-nowline', y1: 0, y2: HEIGHT });
  const cursor = svg('line', { class: 'jc-daycursor', y1: 0, y2: HEIGHT });
  const picture = svg(
    'svg',
    { class: 'jc-daycurve', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' },
    svg('path', { class: 'jc-grid', d: `M0 0H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT}H${WIDTH}` }),
    hour,
    band,
    line,
    moment,
    cursor
  );
  const top = h('span', { class: 'jc-daytop' });
  const reader = h('div', { class: 'jc-dayreader', role: 'slider', tabindex: 0, 'aria-label': t.__('Read the coming day'), 'aria-valuemin': 0 });
  const first = h('span');
  const at = h('span', { class: 'jc-dayat' });
  const last = h('span');
  const values = h('table', { class: 'jc-sr jc-dayvalues' });
  const chart = h(
    'div',
    { class: 'jc-daychart' },
    h('div', { class: 'jc-chart' }, picture, top, reader),
    h('div', { class: 'jc-axis jc-muted' }, first, at, last),
    values
  );
  const known = h('p', { class: 'jc-muted jc-known' });
  const hint = h('p', { class: 'jc-muted jc-hint' }, t.__('You have named no place. With one, its hours may be known:'), ' ', h('code', {}, '%config Carbon.region = "FR"'));
  const marginal = h('p', { class: 'jc-muted jc-marginal' });
  const note = h('p', { class: 'jc-note jc-muted' });
  const section = fold(context, 'day', [t.__('The coming day')], [best, saving, chart, known, hint, marginal, note]);

  let drawn: OutlookAnswer | null = null;
  let day: Day | null = null;
  let pointed: number | null = null;

  /** A moment of the coming days, by the reader's own clock. */
  const clock = (at_s: number, now_s: number): string => {
    const sameDay = new Date(at_s * 1000).toDateString() === new Date(now_s * 1000).toDateString();
    return sameDay ? f.time(at_s) : t.__('tomorrow %1', f.time(at_s)).replace(' ', '\u00a0');
  };
  const grams = (value: number): string => `≈\u00a0${f.plain(value, 2)}\u00a0g/kWh`;
  const between = (low: number, high: number): string => f.span(f.plain(low, 2), f.plain(high, 2));

  const read = (): void => {
    const index = pointed;
    const likely = index === null ? undefined : day?.likely[index];
    show(cursor, likely !== undefined);
    set(reader, 'aria-valuenow', index ?? 0);
    if (day === null) {
      return;
    }
    const i = index ?? 0;
    const words = t.__('%1: %2', f.time(day.start + i * day.step_s), t.__('%1 (%2)', grams(day.likely[i] ?? 0), between(day.low[i] ?? 0, day.high[i] ?? 0)));
    const x = ((i + 0.5) * WIDTH) / day.likely.length;
    set(cursor, 'x1', x);
    set(cursor, 'x2', x);
    say(at, index === null ? '' : words);
    set(reader, 'aria-valuetext', words);
  };
  const point = (index: number | null): void => {
    pointed = index === null || day === null ? null : Math.min(day.likely.length - 1, Math.max(0, index));
    read();
  };
  reader.addEventListener('pointermove', event => {
    const box = reader.getBoundingClientRect();
    point(Math.floor((((event.clientX - box.left) / box.width) * (day?.likely.length ?? 0))));
  });
  reader.addEventListener('pointerleave', () => point(null));
  reader.addEventListener('blur', () => point(null));
  reader.addEventListener('keydown', event => {
    const to = { ArrowLeft: (pointed ?? 1) - 1, ArrowRight: (pointed ?? -1) + 1, Home: 0, End: DAY_S, Escape: null }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      point(to);
    }
  });

  let latest: State | null = null;
  let asking = false;
  /** Asks once what is due: the host will tell the store, which is telling us just now. */
  const ask = (state: State): void => {
    latest = state;
    if (asking || !outlookDue(state, state.now_ms)) {
      return;
    }
    asking = true;
    queueMicrotask(() => {
      asking = false;
      if (latest !== null && outlookDue(latest, latest.now_ms)) {
        act({ type: 'outlook' });
      }
    });
  };

  const update = (state: State): void => {
    section.update(state);
    const kernel = kernelOf(state);
    const isLive = screen(state) === 'live' && kernel !== null;
    show(section.element, isLive && context.offers.has('outlook'));
    if (!isLive || !context.offers.has('outlook') || state.folded.has('day')) {
      return;
    }
    ask(state);
    const { answer, received_ms, problem } = kernel.outlook;
    const guessed = kernel.snapshot?.flags.some(flag => flag === 'region-guessed' || flag === 'region-unknown') ?? false;
    for (const element of [best, known]) {
      show(element, answer !== null);
    }
    show(note, answer === null);
    say(note, answer !== null ? '' : problem !== null ? noAnswer(problem) : kernel.snapshot?.running ? t.__('After the running cell.') : t.__('Asking the kernel …'));
    show(chart, answer !== null && answer.day !== null && answer.day.likely.length > 0);
    show(hint, answer !== null && answer.day === null && guessed);
    show(marginal, answer?.marginal != null);
    show(saving, answer?.day?.best != null && answer.day.best.start > answer.as_of + 1);
    if (answer === null) {
      return;
    }
    if (answer !== drawn) {
      drawn = answer;
      day = answer.day;
      pointed = null;
      draw(answer);
    }
    const age_ms = Math.max(0, state.now_ms - received_ms);
    const source = answer.day ?? answer.now;
    const words = [
      answer.day === null ? timeWord(context, answer.now) : courseWord(context, answer.day.status),
      basisWord(context, source),
      source.source,
      ...(age_ms > OLD_MS ? [t.__('as of %1', f.time(answer.as_of))] : [])
    ];
    say(known, words.join(' · '));
    if (day !== null) {
      const x = (WIDTH * (answer.as_of + age_ms / 1000 - day.start)) / (day.step_s * day.likely.length);
      show(moment, x >= 0 && x <= WIDTH);
      set(moment, 'x1', x.toFixed(1));
      set(moment, 'x2', x.toFixed(1));
    }
  };

  const noAnswer = (problem: string): string => (problem === '' ? t.__('The kernel did not answer.') : t.__('Not known: %1', problem));

  const draw = (answer: OutlookAnswer): void => {
    const { now, marginal: more } = answer;
    say(best, bestWords(answer));
    set(best, 'data-known', answer.day !== null && answer.day.best !== null);
    say(saving, savingWords(answer));
    if (more !== null) {
      say(
        marginal,
        t.__('One more kWh now changes %1 (%2). Another quantity: it is in no number here.', intensityText(context, more), t.__('%1, %2, %3', basisWord(context, more), timeWord(context, more), more.source))
      );
    }
    if (day === null) {
      return;
    }
    const { line: course, band: range, top: height } = steps(day);
    const ends = day.start + day.step_s * day.likely.length;
    set(line, 'd', course);
    set(band, 'd', range);
    say(top, `${f.given(height, 'g')}/kWh`);
    say(first, f.time(day.start));
    say(last, clock(ends, answer.as_of));
    const chosen = day.best;
    const x = (at_s: number): number => (WIDTH * (at_s - (day?.start ?? 0))) / (ends - (day?.start ?? 0));
    const isLater = chosen !== null && chosen.start > answer.as_of + 1;
    show(hour, isLater);
    if (chosen !== null) {
      set(hour, 'x', x(chosen.start).toFixed(1));
      set(hour, 'width', (x(chosen.end) - x(chosen.start)).toFixed(1));
    }
    set(reader, 'aria-valuemax', day.likely.length - 1);
    const [least, most] = [Math.min(...day.likely), Math.max(...day.likely)];
    set(picture, 'aria-label', t.__('The grid of %1 until %2: %3 to %4', now.name, clock(ends, answer.as_of), f.plain(least, 2), grams(most)));
    values.replaceChildren(
      h('caption', {}, t.__('Grams of CO₂e per kWh in the coming day')),
      h('thead', {}, h('tr', {}, ...[t.__('From'), t.__('g/kWh'), t.__('5 to 95 %')].map(word => h('th', { scope: 'col' }, word)))),
      h(
        'tbody',
        {},
        ...day.likely.map((value, i) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, f.time((day?.start ?? 0) + i * (day?.step_s ?? 0))),
            h('td', {}, f.plain(value, 2)),
            h('td', {}, between(day?.low[i] ?? 0, day?.high[i] ?? 0))
          )
        )
      )
    );
    read();
  };

  const bestWords = ({ now, day: told, as_of }: OutlookAnswer): string => {
    if (told === null) {
      return now.region === 'WORLD' ? t.__('Nothing tells one coming hour from another.') : t.__('Nothing tells one coming hour in %1 from another.', now.name);
    }
    const chosen = told.best;
    if (chosen === null) {
      return t.__('Less than an hour ahead is known.');
    }
    if (chosen.start <= as_of + 1) {
      return t.__('Start now: no later hour is cleaner.');
    }
    const when = f.span(clock(chosen.start, as_of), f.time(chosen.end));
    return chosen.worth_waiting ? t.__('Cleanest hour: %1', when) : t.__('Not worth waiting: the cleanest hour would be %1', when);
  };
  const savingWords = ({ day: told }: OutlookAnswer): string => {
    const chosen = told?.best ?? null;
    if (chosen === null) {
      return '';
    }
    const { low, likely, high } = chosen.saving;
    return t.__(
      '%1 instead of %2 now: %3 less (%4)',
      grams(chosen.gco2e_per_kwh),
      `≈\u00a0${f.plain(chosen.now_gco2e_per_kwh, 2)}`,
      f.percent(likely),
      f.span(f.percent(low), f.percent(high))
    );
  };
  return { element: section.element, update };
}
