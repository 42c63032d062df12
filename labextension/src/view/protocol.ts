/**
 * What the kernel says, parsed at the door: `jupyter_carbon/notebook/wire.py` is the other half of this page.
 * A shape is written once; the type follows from it. Fields that we do not know are dropped, a wrong one refuses the message.
 */

export const VERSION = 1;
export const COMM_ID = 'jupyter-carbon-live';
export const TARGET = 'jupyter_carbon';

type Check<T> = (value: unknown) => T;
type Out<C> = C extends Check<infer T> ? T : never;

class Refused extends Error {}

const refuse = (): never => {
  throw new Refused();
};
const num: Check<number> = value => (typeof value === 'number' && Number.isFinite(value) ? value : refuse());
const text: Check<string> = value => (typeof value === 'string' ? value : refuse());
const flag: Check<boolean> = value => (typeof value === 'boolean' ? value : refuse());
const maybe =
  <T>(check: Check<T>): Check<T | null> =>
  value =>
    value === null || value === undefined ? null : check(value);
const list =
  <T>(check: Check<T>): Check<readonly T[]> =>
  value =>
    Array.isArray(value) ? value.map(check) : refuse();
const dictionary =
  <T>(check: Check<T>): Check<{ readonly [name: string]: T }> =>
  value =>
    isObject(value) ? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, check(item)])) : refuse();
const word =
  <T extends string>(...words: readonly T[]): Check<T> =>
  value =>
    words.find(known => known === value) ?? refuse();
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Shape = Record<string, Check<unknown>>;
type Fields<S extends Shape> = { readonly [K in keyof S]: Out<S[K]> };

const object =
  <S extends Shape>(shape: S): Check<Fields<S>> =>
  value => {
    if (!isObject(value)) {
      return refuse();
    }
    const fields = Object.entries(shape).map(([name, check]) => [name, check(value[name])]);
    return Object.fromEntries(fields) as Fields<S>;
  };

export const PARTS = ['gpu', 'cpu', 'memory', 'rest'] as const;
export type Part = (typeof PARTS)[number];

const part = word(...PARTS);
const byPart =
  <T>(check: Check<T>): Check<{ readonly [P in Part]?: T }> =>
  value =>
    isObject(value)
      ? Object.fromEntries(Object.entries(value).map(([name, item]) => [part(name), check(item)]))
      : refuse();
const quality = word('measured', 'modelled', 'assumed');
const basis = word('lifecycle', 'direct');
const method = word('average', 'marginal');
const status = word('actual', 'estimated', 'forecast', 'yearly');
const range = object({ low: num, likely: num, high: num });

/** Grams per kWh of a place over one span of time. */
const grid = {
  gco2e_per_kwh: range,
  region: text,
  name: text,
  basis,
  method,
  status,
  source: text,
  year: maybe(num),
  start: maybe(num),
  end: maybe(num)
};
const intensity = object({ ...grid, yearly_gco2e_per_kwh: num, pue: num, pue_source: text });

const runningCell = object({
  cell_id: maybe(text),
  execution_count: maybe(num),
  label: maybe(text),
  started_at: num,
  duration_s: num,
  facility_energy_kwh: num,
  operational_gco2e: num,
  quality,
  client: maybe(text),
  others: num
});

const cell = object({
  key: text,
  cell_id: maybe(text),
  label: maybe(text),
  execution_count: maybe(num),
  run: num,
  runs: num,
  failed_runs: num,
  repeat_runs: num,
  repeat_gco2e: num,
  duration_s: num,
  facility_energy_kwh: range,
  operational_gco2e: range,
  quality,
  last: object({
    duration_s: num,
    facility_energy_kwh: num,
    operational_gco2e: num,
    quality,
    status: word('ok', 'error', 'interrupted', 'crashed'),
    source_sha1: maybe(text),
    client: maybe(text)
  })
});

const snapshot = object({
  v: num,
  session_id: text,
  seq: num,
  sent_at: num,
  period_s: num,
  metering: flag,
  notebook: maybe(text),
  running: maybe(runningCell),
  ended: maybe(cell),
  totals: object({
    since: num,
    runs: num,
    cells: num,
    busy_s: num,
    quality: maybe(quality),
    facility_energy_kwh: range,
    operational_gco2e: range,
    energy_j: num,
    machine_energy_j: num,
    idle_energy_kwh: num,
    embodied_gco2e: maybe(num),
    water_l: maybe(num),
    repeat_runs: num,
    repeat_gco2e: num,
    exact: flag,
    mixed: flag,
    settled_runs: num
  }),
  power_w: byPart(num),
  tail: object({ age_s: list(num), power_w: byPart(list(num)) }),
  parts: list(object({ part, quality, source: text, reason: maybe(text) })),
  intensity,
  top: list(
    object({
      key: text,
      cell_id: maybe(text),
      label: maybe(text),
      execution_count: maybe(num),
      runs: num,
      facility_energy_kwh: num,
      operational_gco2e: num,
      quality
    })
  ),
  equivalents: list(object({ value: num, unit: text, name: text, source: text, year: maybe(num) })),
  flags: list(text)
});

const about = object({
  version: text,
  findings: list(object({ topic: text, health: word('good', 'note', 'problem'), text, remedy: maybe(text) })),
  flags: dictionary(text)
});
export const PERIODS = ['today', '7d', '30d', 'all'] as const;
const period = word(...PERIODS);

const news = object({ v: num, session_id: text, since_run: num, news: list(cell) });
const lookAnswer = object({ v: num, answer: word('look'), snapshot, cells: list(cell), about });
const historyAnswer = object({
  v: num,
  answer: word('history'),
  period,
  as_of: num,
  runs: num,
  notebooks: num,
  facility_energy_kwh: range,
  operational_gco2e: range,
  bar: word('hour', 'day', 'week', 'month'),
  bars: list(
    object({ start: text, runs: num, facility_energy_kwh: num, operational_gco2e: num, here_gco2e: num })
  ),
  rows: list(
    object({ notebook: maybe(text), here: flag, runs: num, facility_energy_kwh: num, operational_gco2e: num })
  ),
  others: list(
    object({ basis, method, runs: num, facility_energy_kwh: num, operational_gco2e: num })
  ),
  month_gco2e: num
});
const estimateAnswer = object({
  v: num,
  answer: word('estimate'),
  what: text,
  basis: text,
  minutes: num,
  region: text,
  name: text,
  energy_kwh: range,
  operational_gco2e: range,
  embodied_gco2e: maybe(num),
  water_l: maybe(num),
  dominant: text,
  elsewhere: object({ region: text, name: text, operational_gco2e: num }),
  later: maybe(object({ start: num, end: num, parts: num, operational_gco2e: num, saving: range, worth_waiting: flag, status }))
});
const outlookAnswer = object({
  v: num,
  answer: word('outlook'),
  as_of: num,
  now: intensity,
  day: maybe(
    object({
      start: num,
      step_s: num,
      low: list(num),
      likely: list(num),
      high: list(num),
      basis,
      method,
      status,
      source: text,
      best: maybe(
        object({ start: num, end: num, now_gco2e_per_kwh: num, gco2e_per_kwh: num, saving: range, worth_waiting: flag })
      )
    })
  ),
  marginal: maybe(object(grid)),
  asking: flag
});
const errorAnswer = object({ v: num, answer: word('error'), ask: text, reason: text });

export type Quality = Out<typeof quality>;
export type Range = Out<typeof range>;
export type RunningCell = Out<typeof runningCell>;
export type Cell = Out<typeof cell>;
export type News = Out<typeof news>;
export type Snapshot = Out<typeof snapshot>;
export type TopCell = Snapshot['top'][number];
export type Totals = Snapshot['totals'];
export type PartState = Snapshot['parts'][number];
export type Grid = Fields<typeof grid>;
export type Intensity = Snapshot['intensity'];
export type Equivalent = Snapshot['equivalents'][number];
export type About = Out<typeof about>;
export type Period = Out<typeof period>;
export type LookAnswer = Out<typeof lookAnswer>;
export type HistoryAnswer = Out<typeof historyAnswer>;
export type ErrorAnswer = Out<typeof errorAnswer>;
export type EstimateAnswer = Out<typeof estimateAnswer>;
export type OutlookAnswer = Out<typeof outlookAnswer>;
export type Day = NonNullable<OutlookAnswer['day']>;
export type Answer = LookAnswer | HistoryAnswer | EstimateAnswer | OutlookAnswer | ErrorAnswer;

export type Question =
  | {
      readonly v: number;
      readonly ask: 'look';
      readonly looking: boolean;
      readonly notebook: string | null;
      readonly session_id: string | null;
      readonly since_run: number;
    }
  | {
      readonly v: number;
      readonly ask: 'history';
      readonly period: Period;
      readonly notebook: string | null;
      readonly utc_offset_s: number;
    }
  | { readonly v: number; readonly ask: 'metering'; readonly on: boolean }
  | { readonly v: number; readonly ask: 'outlook' }
  | AskEstimate;

/** What a run would cost; `gpu: null` is the kernel's own machine, `region: null` its own place. */
export type AskEstimate = {
  readonly v: number;
  readonly ask: 'estimate';
  readonly gpu: string | null;
  readonly n_gpu: number;
  readonly minutes: number;
  readonly region: string | null;
  readonly interruptible: boolean;
};

const refusable =
  <T>(check: Check<T>) =>
  (data: unknown): T | null => {
    try {
      return check(data);
    } catch (err) {
      if (err instanceof Refused) {
        return null;
      }
      throw err;
    }
  };

/** The snapshot, or null when the message is not one of ours; nothing past this line checks again. */
export const parseSnapshot = refusable((data): Snapshot => {
  const parsed = snapshot(data);
  const points = parsed.tail.age_s.length;
  const columns = Object.values(parsed.tail.power_w);
  return parsed.v === VERSION && columns.every(column => column.length === points) ? parsed : refuse();
});

/** The rows that have changed while a cell runs, or null when it is something else. */
export const parseNews = refusable((data): News => {
  const parsed = news(data);
  return parsed.v === VERSION ? parsed : refuse();
});

/** The answer to a question, or null. */
export const parseAnswer = refusable((data): Answer => {
  if (!isObject(data) || data.v !== VERSION) {
    return refuse();
  }
  switch (data.answer) {
    case 'look':
      return lookAnswer(data);
    case 'history':
      return historyAnswer(data);
    case 'estimate':
      return estimateAnswer(data);
    case 'outlook': {
      const parsed = outlookAnswer(data);
      const { day } = parsed;
      return day === null || (day.low.length === day.likely.length && day.high.length === day.likely.length) ? parsed : refuse();
    }
    default:
      return errorAnswer(data);
  }
});

/** The version of a message that speaks another one than we do, else null. */
export function otherVersion(data: unknown): number | null {
  return isObject(data) && typeof data.v === 'number' && data.v !== VERSION ? data.v : null;
}
