/**
 * Numbers as people read them: three significant digits for what was measured, two and `≈` for what was modelled or
 * assumed; rounded first, then given the prefix that leaves 1 to 999. `jupyter_carbon/units.py` does the same, and both
 * read `tests/units_cases.json` in their tests.
 */

import type { Quality, Range } from './protocol';

/** What a number counts. */
export type Unit = 'kWh' | 'J' | 'W' | 'g' | 'kg' | 'l';

export const UNKNOWN = '–';

/** Between a number and its unit no line is broken. */
const NBSP = '\u00a0';

interface Words {
  /** The words of a power of a thousand each, the smallest first, and the power of the first. */
  readonly words: readonly string[];
  readonly first: number;
  readonly factor: number;
}

const GRAMS = ['µg', 'mg', 'g', 'kg', 't', 'kt', 'Mt'];
const UNITS: Readonly<Record<Unit | 's', Words>> = {
  kWh: { words: ['µWh', 'mWh', 'Wh', 'kWh', 'MWh', 'GWh', 'TWh'], first: -2, factor: 1000 },
  J: { words: ['µJ', 'mJ', 'J', 'kJ', 'MJ', 'GJ', 'TJ'], first: -2, factor: 1 },
  W: { words: ['µW', 'mW', 'W', 'kW', 'MW', 'GW'], first: -2, factor: 1 },
  g: { words: GRAMS, first: -2, factor: 1 },
  kg: { words: GRAMS, first: -2, factor: 1000 },
  l: { words: ['µl', 'ml', 'l', 'm³'], first: -2, factor: 1 },
  s: { words: ['µs', 'ms', 's'], first: -2, factor: 1 }
};

/** A number and its unit, apart, for those who set them in different sizes. */
export interface Amount {
  readonly number: string;
  readonly unit: string;
}

export interface Format {
  amount(value: number, unit: Unit, quality: Quality): Amount;
  /** `1.24 Wh` measured, `≈ 1.2 Wh` otherwise; a dash for what nobody knows, `< 2 mJ` below the counter's step. */
  quantity(value: number | null, unit: Unit, quality: Quality, resolution?: number): string;
  /** Grams of CO₂e: measured only where the energy is and the intensity is that of those very minutes. */
  grams(value: number, quality: Quality, exact: boolean): Amount;
  gramsText(value: number, quality: Quality, exact: boolean): string;
  /** A number that somebody has set: three digits at most, and no zeros for show. */
  given(value: number, unit: Unit): string;
  /** `4.0 – 5.6 g`: the unit once, chosen for the high end. */
  range(range: Range | null, unit: Unit): string;
  /** Significant digits without a unit. */
  plain(value: number, digits: number): string;
  /** One or two places: `1.0`, `1.12`. */
  ratio(value: number): string;
  integer(value: number): string;
  percent(share: number): string;
  /** Two ends that stay on one line. */
  span(from: string, to: string): string;
  /** `12.3 s`, `4 min 12 s`, `3 h 12 min` */
  duration(seconds: number | null): string;
  /** `00:41`, `1:02:03` */
  clock(seconds: number): string;
  time(epoch_s: number): string;
  date(epoch_s: number): string;
  /** The name of a bar that begins on this date. */
  day(iso: string, bar: Bar): string;
}

export type Bar = 'hour' | 'day' | 'week' | 'month';

/** A decimal number in parts: 4.7e-2 to two digits is [4.7, -2]. */
function exponential(value: number, digits: number): readonly [mantissa: number, exponent: number] {
  // An exact half is rounded up, here as in units.py; the factor lifts halves that binary fractions put just below.
  const [mantissa = '0', exponent = '0'] = (value * (1 + 1e-12)).toExponential(digits - 1).split('e');
  return [Number(mantissa), Number(exponent)];
}

/** Significant digits whose last one the source still resolves, at least one. */
function resolved(value: number, most: number, step: number): number {
  if (step <= 0 || value === 0) {
    return most;
  }
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  let digits = most;
  while (digits > 1 && 10 ** (exponent - digits + 1) < step * (1 - 1e-9)) {
    digits -= 1;
  }
  return digits;
}

export function createFormat(locale: string): Format {
  const formats = new Map<string, Intl.NumberFormat>();
  const decimal = (value: number, places: number): string => {
    const key = String(places);
    const format =
      formats.get(key) ?? new Intl.NumberFormat(locale, { minimumFractionDigits: places, maximumFractionDigits: places });
    formats.set(key, format);
    return format.format(value).replace('-', '−');
  };
  const ratios = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 2 });
  const givens = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
  const shares = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 });
  const times = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const dates = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const bars: Readonly<Record<Bar, Intl.DateTimeFormat>> = {
    hour: new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: 'UTC' }),
    day: new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', timeZone: 'UTC' }),
    week: new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', timeZone: 'UTC' }),
    month: new Intl.DateTimeFormat(locale, { month: 'short', year: 'numeric', timeZone: 'UTC' })
  };

  /** `value` rounded to `digits`, written in the power of a thousand that leaves 1 to 999 (or in `power`). */
  const written = (value: number, digits: number, { words, first }: Words, power?: number): { text: string; power: number } => {
    if (value === 0) {
      return { text: decimal(0, 0), power: power ?? 0 };
    }
    const [mantissa, exponent] = exponential(value, digits);
    const chosen = power ?? Math.min(Math.max(Math.floor(exponent / 3), first), first + words.length - 1);
    const shift = exponent - 3 * chosen;
    return { text: decimal(Number(`${mantissa}e${shift}`), Math.max(digits - 1 - shift, 0)), power: chosen };
  };
  const word = ({ words, first }: Words, power: number): string => words[power - first] ?? '';

  const amount = (value: number, unit: Unit, quality: Quality, resolution = 0): Amount => {
    const { factor } = UNITS[unit];
    const scaled = value * factor;
    const step = resolution * factor;
    if (step > 0 && Math.abs(scaled) < step) {
      const bound = written(step, 2, UNITS[unit]);
      return { number: `<${NBSP}${bound.text.replace(/[.,]0$/, '')}`, unit: word(UNITS[unit], bound.power) };
    }
    const measured = quality === 'measured';
    const { text, power } = written(scaled, resolved(scaled, measured ? 3 : 2, step), UNITS[unit]);
    return { number: measured || scaled === 0 ? text : `≈${NBSP}${text}`, unit: word(UNITS[unit], power) };
  };
  const joined = ({ number, unit }: Amount): string => `${number}${NBSP}${unit}`;
  const grams = (value: number, quality: Quality, exact: boolean): Amount =>
    amount(value, 'g', exact || quality !== 'measured' ? quality : 'modelled');
  const two = (count: number, size: number, large: string, small: string): string => {
    const [many, rest] = [Math.floor(count / size), count % size];
    return rest === 0 ? `${decimal(many, 0)}${NBSP}${large}` : `${decimal(many, 0)}${NBSP}${large} ${rest}${NBSP}${small}`;
  };

  return {
    amount,
    quantity: (value, unit, quality, resolution) => {
      if (value === null) {
        return UNKNOWN;
      }
      const told = amount(value, unit, quality, resolution);
      return joined(told);
    },
    grams,
    gramsText: (value, quality, exact) => joined(grams(value, quality, exact)),
    given: (value, unit) => {
      const { factor } = UNITS[unit];
      const { power } = written(value * factor, 3, UNITS[unit]);
      return joined({ number: givens.format((value * factor) / 1000 ** power), unit: word(UNITS[unit], power) });
    },
    range: (range, unit) => {
      if (range === null) {
        return UNKNOWN;
      }
      const { factor } = UNITS[unit];
      const high = written(range.high * factor, 2, UNITS[unit]);
      const low = written(range.low * factor, 2, UNITS[unit], high.power);
      const name = word(UNITS[unit], high.power);
      return low.text === high.text ? `${high.text}${NBSP}${name}` : `${low.text}${NBSP}–${NBSP}${high.text}${NBSP}${name}`;
    },
    plain: (value, digits) => {
      const [mantissa, exponent] = exponential(value, digits);
      return value === 0 ? '0' : decimal(Number(`${mantissa}e${exponent}`), Math.max(digits - 1 - exponent, 0));
    },
    ratio: value => ratios.format(value),
    integer: value => decimal(value, 0),
    percent: share => shares.format(share).replace('-', '−'),
    span: (from, to) => `${from}${NBSP}–${NBSP}${to}`,
    duration: seconds => {
      if (seconds === null) {
        return UNKNOWN;
      }
      if (seconds < 59.95) {
        const { text, power } = written(seconds, 3, UNITS.s);
        return joined({ number: text, unit: word(UNITS.s, power) });
      }
      const [s, min, h] = [1, 60, 3600].map(size => Math.floor(seconds / size + 0.5));
      if (s === undefined || min === undefined || h === undefined) {
        return UNKNOWN;
      }
      return s < 3600 ? two(s, 60, 'min', 's') : h < 48 ? two(min, 60, 'h', 'min') : two(h, 24, 'd', 'h');
    },
    clock: seconds => {
      const whole = Math.floor(seconds);
      const padded = (n: number): string => String(n).padStart(2, '0');
      const [h, min, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
      return h > 0 ? `${h}:${padded(min)}:${padded(s)}` : `${padded(min)}:${padded(s)}`;
    },
    time: epoch_s => times.format(epoch_s * 1000),
    date: epoch_s => dates.format(epoch_s * 1000),
    day: (iso, bar) => bars[bar].format(Date.parse(iso.includes('T') ? `${iso}Z` : `${iso}T00:00:00Z`))
  };
}
