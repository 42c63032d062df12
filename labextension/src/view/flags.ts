/** What the flags on a session's runs mean; a flag may name its device behind a colon. */

import type { About } from './protocol';
import type { Translator } from './text';

/** The kernel's words for its own flags, through the translator; before it has told them, their names. */
export function flagWord(t: Translator, flag: string, about: About | null): string {
  const [kind = '', device = ''] = flag.split(/:(.*)/s);
  const words = about?.flags[kind];
  const told = words === undefined ? kind.replace(/-/g, ' ') : t.__(words);
  return device === '' ? told : t.__('%1: %2', device, told);
}
