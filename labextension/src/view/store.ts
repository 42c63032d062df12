/** What the panel knows, and the one function that changes it. */

import type { Ahead, AheadEvent } from './ahead';
import { ahead, noAhead } from './ahead';
import type { Outlook, OutlookEvent } from './outlook';
import { noOutlook, outlook } from './outlook';
import type { About, Cell, Equivalent, HistoryAnswer, News, Period, Quality, Range, Snapshot } from './protocol';

/** How far we have come with a kernel: from nothing known to snapshots that arrive. */
export type Link =
  | 'unknown' // nobody has asked yet, or the kernel is too busy to answer
  | 'off' // the extension is not loaded
  | 'missing' // the package is not installed there
  | 'starting' // %load_ext is under way
  | 'failed' // %load_ext ended in an error
  | 'on';

/** What a session had cost when its kernel ended. */
export interface Former {
  readonly session_id: string;
  /** Null: no sum, as its cells' intensities were of different kinds. */
  readonly gco2e: Range | null;
  readonly energy_kwh: number;
  readonly quality: Quality | null;
  readonly exact: boolean;
  readonly ended_ms: number;
}

/** One kernel, whichever notebooks look at it. */
export interface Kernel {
  readonly link: Link;
  readonly since_ms: number;
  /** Since when the kernel says that it is busy, with whatever it may be. */
  readonly busy_since_ms: number | null;
  readonly connected: boolean;
  readonly dead: boolean;
  readonly snapshot: Snapshot | null;
  readonly received_ms: number;
  readonly cells: ReadonlyMap<string, Cell>;
  readonly known_run: number;
  /** Runs told anew by surer intensities, whose rows we hold. */
  readonly known_settled: number;
  readonly outlook: Outlook;
  readonly about: About | null;
  readonly former: Former | null;
  readonly other_version: number | null;
  readonly problem: string | null;
}

/** The notebook in focus. */
export interface Subject {
  readonly title: string;
  readonly path: string | null;
  readonly kernel_id: string | null;
  readonly kernel_name: string;
  readonly python: boolean;
}

export type Sorting = 'energy' | 'runs' | 'order';
export type Section = 'cells' | 'history' | 'day' | 'ahead' | 'method';

export interface History {
  readonly period: Period;
  readonly answer: HistoryAnswer | null;
  /** The last answer of each period: shown at once while the ledger is asked again. */
  readonly kept: ReadonlyMap<Period, HistoryAnswer>;
  /** `later`: the kernel runs a cell and is asked when it has ended. */
  readonly asked: 'no' | 'now' | 'later';
  readonly problem: string | null;
}

export interface State {
  readonly now_ms: number;
  readonly subject: Subject | null;
  readonly kernels: ReadonlyMap<string, Kernel>;
  readonly history: History;
  readonly ahead: Ahead;
  readonly budget_gco2e: number | null;
  readonly sorting: Sorting;
  readonly shown_cells: number;
  /** The name of the comparison that the reader sees: it changes on a click, not by itself. */
  readonly equivalent: string | null;
  readonly folded: ReadonlySet<Section>;
}

export type Event =
  | AheadEvent
  | OutlookEvent
  | { readonly type: 'tick'; readonly now_ms: number }
  | { readonly type: 'subject'; readonly subject: Subject | null }
  | { readonly type: 'snapshot'; readonly kernel_id: string; readonly snapshot: Snapshot; readonly now_ms: number }
  | { readonly type: 'news'; readonly kernel_id: string; readonly news: News }
  | { readonly type: 'cells'; readonly kernel_id: string; readonly session_id: string; readonly cells: readonly Cell[]; readonly about: About }
  | { readonly type: 'link'; readonly kernel_id: string; readonly link: Link; readonly now_ms: number; readonly problem?: string }
  | { readonly type: 'status'; readonly kernel_id: string; readonly busy: boolean; readonly connected: boolean; readonly dead: boolean; readonly now_ms: number }
  | { readonly type: 'restarted'; readonly kernel_id: string; readonly now_ms: number }
  | { readonly type: 'gone'; readonly kernel_id: string }
  | { readonly type: 'other-version'; readonly kernel_id: string; readonly version: number }
  | { readonly type: 'history-asked'; readonly asked: 'no' | 'now' | 'later' }
  | { readonly type: 'history'; readonly answer: HistoryAnswer }
  | { readonly type: 'history-problem'; readonly problem: string }
  | { readonly type: 'period'; readonly period: Period }
  | { readonly type: 'budget'; readonly budget_gco2e: number | null }
  | { readonly type: 'sort'; readonly sorting: Sorting }
  | { readonly type: 'more-cells' }
  | { readonly type: 'another-equivalent' }
  | { readonly type: 'fold'; readonly section: Section; readonly folded: boolean };

export const FIRST_CELLS = 8;
export const MORE_CELLS = 50;

/** Cells below this many, a kernel is not asked for: a snapshot of the running cell names the largest three. */
export const newKernel: Kernel = {
  link: 'unknown',
  since_ms: 0,
  busy_since_ms: null,
  connected: true,
  dead: false,
  snapshot: null,
  received_ms: 0,
  cells: new Map(),
  known_run: 0,
  known_settled: 0,
  outlook: noOutlook,
  about: null,
  former: null,
  other_version: null,
  problem: null
};

export const initial: State = {
  now_ms: 0,
  subject: null,
  kernels: new Map(),
  history: { period: '7d', answer: null, kept: new Map(), asked: 'no', problem: null },
  ahead: noAhead,
  budget_gco2e: null,
  sorting: 'energy',
  shown_cells: FIRST_CELLS,
  equivalent: null,
  folded: new Set<Section>(['ahead', 'method'])
};

/** The kernel behind the notebook in focus. */
export function kernelOf(state: State): Kernel | null {
  const id = state.subject?.kernel_id;
  return id === null || id === undefined ? null : state.kernels.get(id) ?? null;
}

export function reduce(state: State, event: Event): State {
  switch (event.type) {
    case 'tick':
      return { ...state, now_ms: event.now_ms };
    case 'subject':
      return focus(state, event.subject);
    case 'snapshot':
      return withKernel(
        { ...state, now_ms: event.now_ms, equivalent: state.equivalent ?? event.snapshot.equivalents[0]?.name ?? null },
        event.kernel_id,
        kernel => fed(kernel, event.snapshot, event.now_ms)
      );
    case 'news':
      return withKernel(state, event.kernel_id, kernel => heard(kernel, event.news));
    case 'cells':
      return withKernel(state, event.kernel_id, kernel => answered(kernel, event.session_id, event.cells, event.about));
    case 'link':
      return withKernel({ ...state, now_ms: event.now_ms }, event.kernel_id, kernel => ({
        ...kernel,
        link: event.link,
        since_ms: event.now_ms,
        problem: event.problem ?? null
      }));
    case 'status':
      return withKernel(state, event.kernel_id, kernel => ({
        ...kernel,
        busy_since_ms: event.busy ? kernel.busy_since_ms ?? event.now_ms : null,
        connected: event.connected,
        dead: event.dead,
        // Nothing runs in a dead kernel, whatever its last words were.
        snapshot: event.dead && kernel.snapshot !== null ? { ...kernel.snapshot, running: null, power_w: {} } : kernel.snapshot
      }));
    case 'restarted':
      return withKernel({ ...state, now_ms: event.now_ms }, event.kernel_id, kernel => ({
        ...newKernel,
        since_ms: event.now_ms,
        former: formerOf(kernel, event.now_ms) ?? kernel.former
      }));
    case 'gone': {
      const kernels = new Map(state.kernels);
      kernels.delete(event.kernel_id);
      return { ...state, kernels };
    }
    case 'other-version':
      return withKernel(state, event.kernel_id, kernel => ({ ...kernel, other_version: event.version }));
    case 'history-asked':
      return { ...state, history: { ...state.history, asked: event.asked, problem: null } };
    case 'history': {
      const { history } = state;
      const kept = new Map(history.kept).set(event.answer.period, event.answer);
      const isCurrent = event.answer.period === history.period;
      return { ...state, history: isCurrent ? { ...history, kept, answer: event.answer, asked: 'no', problem: null } : { ...history, kept } };
    }
    case 'history-problem':
      return { ...state, history: { ...state.history, asked: 'no', problem: event.problem } };
    case 'period': {
      const { kept, answer } = state.history;
      return { ...state, history: { ...state.history, period: event.period, answer: kept.get(event.period) ?? answer } };
    }
    case 'ahead-form':
    case 'ahead-asked':
    case 'ahead':
    case 'ahead-problem':
      return { ...state, ahead: ahead(state.ahead, event) };
    case 'outlook-asked':
    case 'outlook':
    case 'outlook-problem':
      return withKernel(state, event.kernel_id, kernel => ({ ...kernel, outlook: outlook(kernel.outlook, event) }));
    case 'budget':
      return { ...state, budget_gco2e: event.budget_gco2e };
    case 'sort':
      return { ...state, sorting: event.sorting, shown_cells: FIRST_CELLS };
    case 'more-cells':
      return { ...state, shown_cells: state.shown_cells + MORE_CELLS };
    case 'another-equivalent':
      return { ...state, equivalent: nextEquivalent(state) };
    case 'fold': {
      const folded = new Set(state.folded);
      if (event.folded) {
        folded.add(event.section);
      } else {
        folded.delete(event.section);
      }
      return { ...state, folded };
    }
  }
}

function focus(state: State, subject: Subject | null): State {
  const same = state.subject !== null && subject !== null && state.subject.path === subject.path;
  return { ...state, subject, shown_cells: same ? state.shown_cells : FIRST_CELLS };
}

/** The comparison to show: the reader's, as long as it reads well at this amount. */
export function equivalentOf(state: State): Equivalent | null {
  const all = kernelOf(state)?.snapshot?.equivalents ?? [];
  return all.find(({ name }) => name === state.equivalent) ?? all[0] ?? null;
}

function nextEquivalent(state: State): string | null {
  const all = kernelOf(state)?.snapshot?.equivalents ?? [];
  const shown = equivalentOf(state);
  const next = shown === null ? undefined : all[(all.indexOf(shown) + 1) % all.length];
  return next?.name ?? null;
}

function withKernel(state: State, id: string, change: (kernel: Kernel) => Kernel): State {
  const old = state.kernels.get(id);
  const kernel = change(old ?? { ...newKernel, since_ms: state.now_ms });
  return kernel === old ? state : { ...state, kernels: new Map(state.kernels).set(id, kernel) };
}

/** A snapshot that is not newer than the last one of its session was replayed by the server: dropped. */
function fed(kernel: Kernel, snapshot: Snapshot, now_ms: number): Kernel {
  const last = kernel.snapshot;
  if (last !== null && last.session_id === snapshot.session_id && snapshot.seq <= last.seq) {
    return kernel;
  }
  if (last !== null && last.session_id !== snapshot.session_id && snapshot.sent_at < last.sent_at) {
    return kernel;
  }
  if (kernel.former?.session_id === snapshot.session_id) {
    return kernel; // the last words of a session that has ended
  }
  const fresh = last === null || last.session_id !== snapshot.session_id;
  const news: Kernel = {
    ...kernel,
    link: 'on',
    dead: false,
    snapshot,
    received_ms: now_ms,
    other_version: null,
    problem: null,
    former: fresh && last !== null ? formerOf(kernel, now_ms) : kernel.former,
    cells: fresh ? new Map() : kernel.cells,
    known_run: fresh ? 0 : kernel.known_run,
    known_settled: fresh ? 0 : kernel.known_settled,
    outlook: fresh ? noOutlook : kernel.outlook,
    about: fresh ? null : kernel.about
  };
  // The cell that ended is in the snapshot: when it is the only news, nobody has to be asked.
  const ended = snapshot.ended;
  return ended !== null && ended.run === news.known_run + 1 ? withCells(news, [ended]) : news;
}

function answered(kernel: Kernel, session_id: string, cells: readonly Cell[], about: About): Kernel {
  const { snapshot } = kernel;
  return snapshot?.session_id === session_id
    ? { ...withCells(kernel, cells), about, known_settled: snapshot.totals.settled_runs }
    : kernel;
}

/** Rows told while a cell runs; what a page has missed before them is asked for once the kernel has time. */
function heard(kernel: Kernel, { session_id, since_run, news }: News): Kernel {
  if (kernel.snapshot?.session_id !== session_id) {
    return kernel;
  }
  const told = withCells(kernel, news);
  return since_run <= kernel.known_run ? told : { ...told, known_run: kernel.known_run };
}

function withCells(kernel: Kernel, news: readonly Cell[]): Kernel {
  const cells = new Map(kernel.cells);
  let known_run = kernel.known_run;
  for (const cell of news) {
    if (cell.run >= (cells.get(cell.key)?.run ?? 0)) {
      cells.set(cell.key, cell);
    }
    known_run = Math.max(known_run, cell.run);
  }
  return { ...kernel, cells, known_run };
}

function formerOf(kernel: Kernel, now_ms: number): Former | null {
  const snapshot = kernel.snapshot;
  if (snapshot === null || (snapshot.totals.runs === 0 && snapshot.running === null)) {
    return null;
  }
  const { operational_gco2e, facility_energy_kwh, quality } = snapshot.totals;
  return {
    session_id: snapshot.session_id,
    gco2e: snapshot.totals.mixed ? null : operational_gco2e,
    energy_kwh: facility_energy_kwh.likely,
    quality,
    exact: snapshot.totals.exact,
    ended_ms: now_ms
  };
}

/** Runs that the kernel has told of, or told anew, and whose rows we do not hold: reason to ask, once it has time. */
export const behind = (kernel: Kernel): boolean =>
  kernel.snapshot !== null &&
  (kernel.known_run < kernel.snapshot.totals.runs || kernel.known_settled < kernel.snapshot.totals.settled_runs || kernel.about === null);

export interface Store {
  get(): State;
  dispatch(event: Event): void;
  subscribe(listener: () => void): () => void;
}

export function createStore(state: State = initial): Store {
  const listeners = new Set<() => void>();
  return {
    get: () => state,
    dispatch: event => {
      const next = reduce(state, event);
      if (next !== state) {
        state = next;
        listeners.forEach(listener => listener());
      }
    },
    subscribe: listener => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    }
  };
}
