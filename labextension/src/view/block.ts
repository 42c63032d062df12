/** What every part of the panel is made with, and made of. */

import type { Format } from './format';
import type { AskEstimate, Part, Period, Quality } from './protocol';
import type { Event, State } from './store';
import type { Translator } from './text';

/** What a person asks for and the host has to do. */
export type Action =
  | { readonly type: 'start' }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'copy'; readonly text: string }
  | { readonly type: 'go'; readonly cell_id: string }
  | { readonly type: 'history'; readonly period: Period }
  | { readonly type: 'ahead'; readonly question: AskEstimate }
  | { readonly type: 'outlook' }
  | { readonly type: 'settings' };

export interface Context {
  readonly t: Translator;
  readonly f: Format;
  readonly act: (action: Action) => void;
  readonly dispatch: (event: Event) => void;
  /** The first line of a cell's code, where the host has the notebook. */
  readonly nameOf: (cell_id: string) => string | null;
  /** Actions that this host offers. */
  readonly offers: ReadonlySet<Action['type']>;
}

/** A piece of the panel: built once, changed in place. */
export interface Block {
  readonly element: HTMLElement;
  update(state: State): void;
}

export function qualityWord(t: Translator, quality: Quality): string {
  return { measured: t.__('measured'), modelled: t.__('modelled'), assumed: t.__('assumed') }[quality];
}

export function partWord(t: Translator, part: Part): string {
  return { gpu: t.__('GPU'), cpu: t.__('CPU'), memory: t.__('Memory'), rest: t.__('The rest') }[part];
}
