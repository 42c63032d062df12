/** What the flags on a session's runs mean; a flag may name its device behind a colon. */

import type { Translator } from './text';

/** By kind; `jupyter_carbon/report/summary.py` has the same kinds, and a test compares the two. */
export const flagKinds = (t: Translator): Readonly<Record<string, string>> => ({
  'below-resolution': t.__('a run was shorter than the counter’s step: modelled, with an upper bound'),
  frozen: t.__('the counter did not move: modelled'),
  'read-failed': t.__('a read of the counter failed: filled with the expected power'),
  'counter-reset': t.__('the counter was reset: filled with the expected power'),
  implausible: t.__('the counter jumped beyond what the device can draw: filled with the expected power'),
  gap: t.__('not read for so long that it may have wrapped: filled with the expected power'),
  'gauge-gap': t.__('the power gauge was not read for a while'),
  suspended: t.__('the machine was suspended'),
  joined: t.__('counted from the moment its driver answered'),
  'gpu-share-unknown': t.__('the driver does not tell whose work it was: between none and all'),
  'may-still-run': t.__('the device may still be busy with work of a cell that has ended'),
  concurrent: t.__('cells ran side by side: the seconds are shared'),
  crashed: t.__('the kernel ended before the cell did: up to the last checkpoint'),
  'region-guessed': t.__('the place is guessed from the time zone'),
  'region-unknown': t.__('the place is unknown: the world’s average'),
  'region-refused': t.__('the place asked for is not known; the session’s was used')
});

export function flagWord(t: Translator, flag: string): string {
  const [kind = '', device = ''] = flag.split(/:(.*)/s);
  const words = flagKinds(t)[kind] ?? kind.replace(/-/g, ' ');
  return device === '' ? words : t.__('%1: %2', device, words);
}
