/** Numbers in words, for those who listen. */

import type { Context } from './block';
import { qualityWord } from './block';
import type { Cell } from './protocol';

export function spokenAmount({ t, f }: Pick<Context, 't' | 'f'>, value: number, unit: 'kWh' | 'g'): string {
  const amount = f.amount(value, unit, 'modelled');
  const number = amount.number.replace(/^≈\s/, '');
  switch (amount.unit) {
    case 'µWh':
      return t.__('%1 microwatt hours', number);
    case 'mWh':
      return t.__('%1 milliwatt hours', number);
    case 'Wh':
      return t.__('%1 watt hours', number);
    case 'kWh':
      return t.__('%1 kilowatt hours', number);
    case 'µg':
      return t.__('%1 micrograms', number);
    case 'mg':
      return t.__('%1 milligrams', number);
    case 'g':
      return t.__('%1 grams', number);
    case 'kg':
      return t.__('%1 kilograms', number);
    default:
      return `${number} ${amount.unit}`;
  }
}

/** What a screen reader says when a cell has ended. */
export function spokenCell(context: Context, cell: Cell): string {
  const { t } = context;
  return t.__(
    'Cell %1 has ended: %2, about %3 of CO2 equivalent, %4',
    cell.execution_count ?? '',
    spokenAmount(context, cell.last.facility_energy_kwh, 'kWh'),
    spokenAmount(context, cell.last.operational_gco2e, 'g'),
    qualityWord(t, cell.last.quality)
  );
}
