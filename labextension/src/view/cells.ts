/** The cells of this session, ranked; each row leads to its cell. */

import type { Block, Context } from './block';
import { qualityWord } from './block';
import { button, h, say, set, show } from './dom';
import type { Cell, Quality, Snapshot } from './protocol';
import { screen } from './screen';
import type { Kernel, Sorting, State } from './store';
import { MORE_CELLS, kernelOf } from './store';
import { fold } from './fold';

/** A row, whether its facts came with an answer or with a snapshot. */
export interface Row {
  readonly key: string;
  readonly cell_id: string | null;
  readonly label: string | null;
  readonly execution_count: number | null;
  readonly run: number;
  readonly runs: number;
  readonly energy_kwh: number;
  readonly gco2e: number;
  readonly quality: Quality;
  readonly cell: Cell | null;
}

const fromCell = (cell: Cell): Row => ({
  key: cell.key,
  cell_id: cell.cell_id,
  label: cell.label,
  execution_count: cell.execution_count,
  run: cell.run,
  runs: cell.runs,
  energy_kwh: cell.facility_energy_kwh.likely,
  gco2e: cell.operational_gco2e.likely,
  quality: cell.quality,
  cell
});

const ORDER: Readonly<Record<Sorting, (a: Row, b: Row) => number>> = {
  energy: (a, b) => b.energy_kwh - a.energy_kwh,
  runs: (a, b) => b.runs - a.runs || b.energy_kwh - a.energy_kwh,
  order: (a, b) => b.run - a.run
};

/** All rows we can show, sorted: the known cells, and the largest three where the kernel could not be asked yet. */
export function rowsOf(kernel: Kernel, sorting: Sorting): readonly Row[] {
  const rows = [...kernel.cells.values()].map(fromCell);
  for (const top of kernel.snapshot?.top ?? []) {
    if (!kernel.cells.has(top.key)) {
      rows.push({ ...top, run: 0, energy_kwh: top.facility_energy_kwh, gco2e: top.operational_gco2e, cell: null });
    }
  }
  return rows.sort(ORDER[sorting]);
}

/** What a cell is called: its label, else its first line, else its number. */
export function nameOf(context: Context, row: { readonly label: string | null; readonly cell_id: string | null }): string {
  return row.label ?? (row.cell_id === null ? null : context.nameOf(row.cell_id)) ?? context.t.__('cell');
}

export function cells(context: Context): Block {
  const { t, f, dispatch } = context;
  const count = h('span', { class: 'jc-count' });
  const sorters = ([
    ['energy', t.__('energy')],
    ['runs', t.__('runs')],
    ['order', t.__('newest')]
  ] as const).map(([sorting, word]) => [sorting, button('jc-segment', () => dispatch({ type: 'sort', sorting }), word)] as const);
  const segments = h('div', { class: 'jc-segments', role: 'group', 'aria-label': t.__('Sort by') }, ...sorters.map(([, segment]) => segment));
  const body = h('tbody');
  const table = h(
    'table',
    { class: 'jc-cells' },
    h('caption', { class: 'jc-sr' }, t.__('Cells of this session')),
    h('colgroup', {}, h('col', { class: 'jc-in' }), h('col'), h('col', { class: 'jc-kwh' }), h('col', { class: 'jc-co2' })),
    h(
      'thead',
      { class: 'jc-sr' },
      h('tr', {}, ...[t.__('In'), t.__('Cell'), t.__('Energy'), t.__('CO₂e')].map(word => h('th', { scope: 'col' }, word)))
    ),
    body
  );
  const repeats = h('p', { class: 'jc-repeats' });
  const more = button('jc-more jc-link', () => dispatch({ type: 'more-cells' }));
  const later = h('p', { class: 'jc-later jc-muted' });
  const section = fold(context, 'cells', [t.__('Cells'), ' ', count], [table, more, later, repeats], segments);

  let drawn: unknown[] = [];
  const update = (state: State): void => {
    const kernel = kernelOf(state);
    const snapshot = kernel?.snapshot ?? null;
    const isLive = screen(state) === 'live' && kernel !== null && snapshot !== null;
    section.update(state);
    show(section.element, isLive);
    if (!isLive || snapshot === null || state.folded.has('cells')) {
      show(segments, false);
      if (snapshot !== null) {
        say(count, f.integer(snapshot.totals.cells));
      }
      return;
    }
    say(count, f.integer(snapshot.totals.cells));
    for (const [sorting, segment] of sorters) {
      set(segment, 'aria-pressed', sorting === state.sorting ? 'true' : 'false');
    }
    show(segments, snapshot.totals.cells > 1);
    const running = snapshot.running;
    // The list changes when a cell ends or the reader asks; while one runs only its own row does.
    const key = [kernel.cells, snapshot.session_id, running === null ? snapshot.seq : running.started_at, state.sorting, state.shown_cells, snapshot.totals.runs];
    if (key.length !== drawn.length || key.some((item, i) => item !== drawn[i])) {
      drawn = key;
      list(kernel, snapshot, state);
    }
    if (running !== null) {
      say(elapsed, f.clock(running.duration_s));
      say(energyNow, f.quantity(running.facility_energy_kwh, 'kWh', running.quality));
      say(gramsNow, f.gramsText(running.operational_gco2e, running.quality, snapshot.totals.exact));
    }
  };

  const elapsed = h('span', { class: 'jc-elapsed' });
  const energyNow = h('td', { class: 'jc-kwh' });
  const gramsNow = h('td', { class: 'jc-co2' });

  const list = (kernel: Kernel, snapshot: Snapshot, state: State): void => {
    const rows = rowsOf(kernel, state.sorting);
    const shown = rows.slice(0, state.shown_cells);
    const largest = rows.reduce((max, row) => Math.max(max, row.energy_kwh), 0);
    const { exact } = snapshot.totals;
    const focused = document.activeElement instanceof HTMLElement && body.contains(document.activeElement) ? document.activeElement.closest('tr')?.dataset.key : undefined;
    const { running } = snapshot;
    body.replaceChildren(
      ...(running === null
        ? []
        : [
            h(
              'tr',
              { class: 'jc-cell jc-live', 'data-key': '*' },
              h('td', { class: 'jc-in', 'aria-label': t.__('running') }, '[*]'),
              h('th', { scope: 'row' }, h('div', { class: 'jc-name' }, link(context, running), elapsed, others(context, running.others))),
              energyNow,
              gramsNow
            )
          ]),
      ...shown.map(row => line(context, row, largest, exact))
    );
    if (focused !== undefined) {
      [...body.children].find(tr => tr instanceof HTMLElement && tr.dataset.key === focused)?.querySelector('button')?.focus();
    }
    show(table, rows.length > 0 || running !== null);
    const left = rows.length - shown.length;
    show(more, left > 0);
    say(more, t._n('Show one more', 'Show %1 more', Math.min(left, MORE_CELLS)));
    const unknown = snapshot.totals.cells - rows.length;
    show(later, unknown > 0 || snapshot.totals.cells + (running === null ? 0 : 1) === 0);
    say(
      later,
      unknown > 0
        ? t._n('One more cell is listed when the running cell has ended.', '%1 more cells are listed when the running cell has ended.', unknown)
        : t.__('Cells appear here when they have run.')
    );
    const worst = [...kernel.cells.values()].reduce<Cell | null>((max, cell) => (cell.repeat_gco2e > (max?.repeat_gco2e ?? 0) ? cell : max), null);
    show(repeats, worst !== null && worst.repeat_runs > 1);
    if (worst !== null) {
      say(
        repeats,
        t.__(
          '%1: run %2 times, %3 of them with unchanged code: %4',
          short(nameOf(context, worst)),
          f.integer(worst.runs),
          f.integer(worst.repeat_runs),
          f.gramsText(worst.repeat_gco2e, worst.quality, exact)
        )
      );
    }
  };
  return { element: section.element, update };
}

const short = (name: string): string => (name.length > 40 ? `${name.slice(0, 39)}…` : name);

function link(context: Context, row: { readonly label: string | null; readonly cell_id: string | null }): HTMLElement {
  const name = nameOf(context, row);
  const { cell_id } = row;
  if (cell_id === null || !context.offers.has('go')) {
    return h('span', { class: 'jc-code', title: name }, short(name));
  }
  const go = button('jc-go jc-code', () => context.act({ type: 'go', cell_id }), short(name));
  go.title = name;
  return go;
}

function line(context: Context, row: Row, largest: number, exact: boolean): HTMLElement {
  const { t, f } = context;
  const { cell } = row;
  const failed = cell !== null && cell.last.status !== 'ok';
  const hint =
    cell === null
      ? qualityWord(t, row.quality)
      : t.__('%1 · %2 · %3', qualityWord(t, row.quality), f.range(cell.operational_gco2e, 'g'), f.duration(cell.duration_s));
  return h(
    'tr',
    {
      class: 'jc-cell',
      'data-key': row.key,
      'data-quality': row.quality,
      title: hint,
      style: `--jc-share:${largest > 0 ? ((100 * row.energy_kwh) / largest).toFixed(1) : 0}%`
    },
    h('td', { class: 'jc-in' }, `[${row.execution_count ?? ' '}]`),
    h(
      'th',
      { scope: 'row' },
      h(
        'div',
        { class: 'jc-name' },
        link(context, row),
        failed ? h('span', { class: 'jc-failed' }, statusWord(context, cell.last.status)) : null,
        row.runs > 1 ? h('span', { class: 'jc-runs', role: 'img', 'aria-label': t.__('run %1 times', row.runs) }, `×${f.integer(row.runs)}`) : null
      )
    ),
    h('td', { class: 'jc-kwh' }, f.quantity(row.energy_kwh, 'kWh', row.quality)),
    h('td', { class: 'jc-co2' }, f.gramsText(row.gco2e, row.quality, exact))
  );
}

function others({ t }: Context, count: number): HTMLElement | null {
  const words = t._n('and one more cell beside it', 'and %1 more cells beside it', count);
  return count === 0 ? null : h('span', { class: 'jc-runs', role: 'img', 'aria-label': words, title: words }, `+${count}`);
}

function statusWord({ t }: Context, status: Cell['last']['status']): string {
  return { ok: '', error: t.__('failed'), interrupted: t.__('interrupted'), crashed: t.__('crashed') }[status];
}
