/** The words under a cell, and their form in the cell's metadata. Text only: a notebook from anywhere may bring one. */

import type { Context } from './view/block';
import { qualityWord } from './view/block';
import type { Cell, Quality } from './view/protocol';
import { spokenAmount } from './view/spoken';

export const METADATA_KEY = 'jupyter_carbon';

/** A run, as a badge tells it. */
export interface Badge {
  readonly energy_kwh: number;
  readonly gco2e: number;
  readonly quality: Quality;
  readonly source_sha1: string | null;
}

/** What a notebook keeps: two digits and no time stamp, so that a re-run often changes nothing. */
export interface Saved {
  readonly [key: string]: string | number | null;
  readonly v: 1;
  readonly energy_wh: number;
  readonly gco2e: number;
  readonly quality: Quality;
  readonly region: string;
  readonly source_sha1: string | null;
}

export const badgeOf = ({ last }: Cell): Badge => ({
  energy_kwh: last.facility_energy_kwh,
  gco2e: last.operational_gco2e,
  quality: last.quality,
  source_sha1: last.source_sha1
});

const two = (value: number): number => Number(value.toPrecision(2));

export const savedOf = (badge: Badge, region: string): Saved => ({
  v: 1,
  energy_wh: two(badge.energy_kwh * 1000),
  gco2e: two(badge.gco2e),
  quality: badge.quality,
  region,
  source_sha1: badge.source_sha1
});

/** The badge in a cell's metadata, or null when it is not one of ours. */
export function parseSaved(data: unknown): Badge | null {
  if (typeof data !== 'object' || data === null) {
    return null;
  }
  const { v, energy_wh, gco2e, quality, source_sha1 } = data as Readonly<Record<string, unknown>>;
  const isAmount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
  const known = (['measured', 'modelled', 'assumed'] as const).find(word => word === quality);
  if (v !== 1 || !isAmount(energy_wh) || !isAmount(gco2e) || known === undefined) {
    return null;
  }
  return { energy_kwh: energy_wh / 1000, gco2e, quality: known, source_sha1: typeof source_sha1 === 'string' ? source_sha1 : null };
}

type Words = Pick<Context, 't' | 'f'>;

export function badgeText({ t, f }: Words, badge: Badge, stale: boolean): string {
  const energy = f.quantity(badge.energy_kwh, 'kWh', badge.quality);
  const grams = f.gramsText(badge.gco2e, badge.quality, false);
  const quality = qualityWord(t, badge.quality);
  return stale
    ? t.__('%1 · %2 CO₂e · %3 · edited since', energy, grams, quality)
    : t.__('%1 · %2 CO₂e · %3', energy, grams, quality);
}

export function badgeSpoken(words: Words, badge: Badge): string {
  return words.t.__(
    '%1, about %2 of CO2 equivalent, %3',
    spokenAmount(words, badge.energy_kwh, 'kWh'),
    spokenAmount(words, badge.gco2e, 'g'),
    qualityWord(words.t, badge.quality)
  );
}
