/** All notebooks, from the ledger: a total, bars by day, the largest notebooks, the budget. */

import type { Block, Context } from './block';
import { button, h, say, set, show, svg } from './dom';
import { basisWord } from './facts';
import { fold } from './fold';
import type { HistoryAnswer, Period } from './protocol';
import { PERIODS } from './protocol';
import type { State } from './store';
import { kernelOf } from './store';

const NEAR = 0.8;

const WIDTH = 300;
const HEIGHT = 48;

export function history(context: Context): Block {
  const { t, f, act } = context;
  const words: Readonly<Record<Period, string>> = { today: t.__('today'), '7d': t.__('7 d'), '30d': t.__('30 d'), all: t.__('all') };
  const choices = PERIODS.map(period => {
    const choice = button('jc-segment jc-period', () => act({ type: 'history', period }), words[period]);
    return [period, choice] as const;
  });
  const segments = h('div', { class: 'jc-segments', role: 'group', 'aria-label': t.__('Period') }, ...choices.map(([, choice]) => choice));
  const total = h('b', { class: 'jc-total' });
  const under = h('p', { class: 'jc-muted jc-undertotal' });
  const range = h('span', { class: 'jc-muted jc-totalrange' });
  const bars = svg('svg', { class: 'jc-bars', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' });
  const first = h('span');
  const last = h('span');
  const here = h('span', { class: 'jc-key' }, h('i', { class: 'jc-swatch', 'aria-hidden': 'true' }), t.__('this notebook'));
  const axis = h('div', { class: 'jc-axis jc-muted' }, first, here, last);
  const values = h('table', { class: 'jc-sr jc-barvalues' });
  const rows = h('tbody');
  const table = h(
    'table',
    { class: 'jc-notebooks' },
    h('caption', { class: 'jc-sr' }, t.__('Notebooks of this period')),
    h('colgroup', {}, h('col'), h('col', { class: 'jc-kwh' }), h('col', { class: 'jc-co2' })),
    h('thead', { class: 'jc-sr' }, h('tr', {}, ...[t.__('Notebook'), t.__('Energy'), t.__('CO₂e')].map(word => h('th', { scope: 'col' }, word)))),
    rows
  );
  const budgetText = h('p', { class: 'jc-budgettext' });
  const budgetBar = h('i');
  const budget = h('div', { class: 'jc-budget' }, h('div', { class: 'jc-rangebar', 'aria-hidden': 'true' }, budgetBar), budgetText);
  const note = h('p', { class: 'jc-note jc-muted', role: 'status' });
  const others = h('ul', { class: 'jc-others jc-muted' });
  const answerBox = h('div', { class: 'jc-answer' }, h('p', { class: 'jc-sum' }, total, ' ', range), under, bars, axis, values, budget, table, others);
  const section = fold(context, 'history', [t.__('All notebooks')], [answerBox, note], segments);

  let drawn: readonly unknown[] = [];
  const update = (state: State): void => {
    section.update(state);
    const { answer, asked, problem, period } = state.history;
    for (const [name, choice] of choices) {
      set(choice, 'aria-pressed', name === period ? 'true' : 'false');
    }
    show(segments, !state.folded.has('history'));
    const reachable = kernelOf(state)?.link === 'on';
    const current = answer !== null && answer.period === period;
    show(answerBox, answer !== null);
    set(answerBox, 'data-stale', answer !== null && !current ? 'true' : null);
    const words = noteOf(context, { answer, asked, problem, reachable, current });
    show(note, words !== null);
    say(note, words ?? '');
    const key = [answer, state.budget_gco2e];
    if (answer !== null && key.some((item, i) => item !== drawn[i])) {
      drawn = key;
      draw(answer, state);
    }
  };

  const draw = (answer: HistoryAnswer, state: State): void => {
    say(total, f.gramsText(answer.operational_gco2e.likely, 'modelled', false));
    say(under, t._n('%2 · one run', '%2 · %1 runs', answer.runs, f.quantity(answer.facility_energy_kwh.likely, 'kWh', 'modelled')));
    say(range, answer.runs === 0 ? '' : f.range(answer.operational_gco2e, 'g'));
    drawBars(answer);
    rows.replaceChildren(...answer.rows.slice(0, 8).map(row => notebookRow(context, row, answer)));
    drawBudget(answer, state.budget_gco2e);
    others.replaceChildren(
      ...answer.others.map(kind => {
        const more = f.gramsText(kind.operational_gco2e, 'modelled', false);
        return h(
          'li',
          {},
          t._n('One run more by another intensity (%2): %3, not added', '%1 runs more by another intensity (%2): %3, not added', kind.runs, basisWord(context, kind), more)
        );
      })
    );
  };

  const drawBars = (answer: HistoryAnswer): void => {
    const largest = Math.max(0, ...answer.bars.map(bar => bar.operational_gco2e));
    const step = WIDTH / Math.max(1, answer.bars.length);
    const width = Math.max(2, step * 0.68);
    const rect = (name: string, i: number, from: number, to: number): SVGElement =>
      svg('rect', {
        class: name,
        x: (i * step + (step - width) / 2).toFixed(2),
        y: (HEIGHT - (HEIGHT * to) / largest).toFixed(2),
        width: width.toFixed(2),
        height: ((HEIGHT * (to - from)) / largest).toFixed(2)
      });
    bars.replaceChildren(
      svg('line', { class: 'jc-base', x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }),
      ...(largest > 0
        ? answer.bars.flatMap((bar, i) => [
            rect('jc-there', i, bar.here_gco2e, bar.operational_gco2e),
            rect('jc-here', i, 0, bar.here_gco2e)
          ])
        : [])
    );
    const grams = (value: number): string => f.gramsText(value, 'modelled', false);
    show(bars, answer.bars.length > 0);
    show(axis, answer.bars.length > 0);
    show(here, answer.bars.some(bar => bar.here_gco2e > 0));
    set(bars, 'aria-label', t.__('%1 CO₂e by day, week or month; at most %2', total.textContent ?? '', grams(largest)));
    const start = answer.bars[0];
    const end = answer.bars[answer.bars.length - 1];
    say(first, start === undefined ? '' : f.day(start.start, answer.bar));
    say(last, end === undefined || end === start ? '' : f.day(end.start, answer.bar));
    values.replaceChildren(
      h('caption', {}, t.__('Grams of CO₂e over time')),
      h('thead', {}, h('tr', {}, ...[t.__('Begins'), t.__('All'), t.__('This notebook')].map(word => h('th', { scope: 'col' }, word)))),
      h(
        'tbody',
        {},
        ...answer.bars.map(bar =>
          h('tr', {}, h('th', { scope: 'row' }, f.day(bar.start, answer.bar)), h('td', {}, grams(bar.operational_gco2e)), h('td', {}, grams(bar.here_gco2e)))
        )
      )
    );
  };

  const drawBudget = (answer: HistoryAnswer, budget_gco2e: number | null): void => {
    show(budget, budget_gco2e !== null);
    if (budget_gco2e === null) {
      return;
    }
    const share = answer.month_gco2e / budget_gco2e;
    const level = share >= 1 ? 'over' : share >= NEAR ? 'near' : 'within';
    set(budget, 'data-level', level);
    set(budgetBar, 'style', `width:${(100 * Math.min(1, share)).toFixed(1)}%`);
    const text = t.__('%1 of %2 this month', f.percent(share), f.given(budget_gco2e, 'g'));
    say(
      budgetText,
      {
        within: text,
        near: t.__('Near the budget: %1. Nothing is stopped.', text),
        over: t.__('Over the budget: %1. Nothing is stopped.', text)
      }[level]
    );
  };
  return { element: section.element, update };
}

function noteOf(
  { t, f }: Context,
  { answer, asked, problem, reachable, current }: { answer: HistoryAnswer | null; asked: State['history']['asked']; problem: string | null; reachable: boolean; current: boolean }
): string | null {
  if (problem !== null) {
    return t.__('The ledger did not answer: %1', problem);
  }
  if (asked === 'later') {
    return t.__('After the running cell.');
  }
  if (asked === 'now') {
    return current ? null : t.__('Asking the ledger …');
  }
  if (answer === null) {
    return reachable ? t.__('Asking the ledger …') : t.__('Known when a metered kernel runs.');
  }
  return reachable ? null : t.__('As of %1', f.date(answer.as_of));
}

function notebookRow({ t, f }: Context, row: HistoryAnswer['rows'][number], answer: HistoryAnswer): HTMLElement {
  const path = row.notebook ?? t.__('no notebook');
  const largest = answer.rows[0]?.facility_energy_kwh ?? 0;
  return h(
    'tr',
    { class: row.here ? 'jc-cell jc-herenow' : 'jc-cell', style: `--jc-share:${largest > 0 ? ((100 * row.facility_energy_kwh) / largest).toFixed(1) : 0}%` },
    h(
      'th',
      { scope: 'row', title: path },
      h(
        'div',
        { class: 'jc-name' },
        h('span', { class: 'jc-file' }, path.split('/').pop() ?? path),
        h('span', { class: 'jc-runs', role: 'img', 'aria-label': t._n('one run', '%1 runs', row.runs) }, `×${f.integer(row.runs)}`)
      )
    ),
    h('td', { class: 'jc-kwh' }, f.quantity(row.facility_energy_kwh, 'kWh', 'modelled')),
    h('td', { class: 'jc-co2' }, f.gramsText(row.operational_gco2e, 'modelled', false))
  );
}
