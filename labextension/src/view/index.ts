/** The panel, without a framework and without JupyterLab: `mount` it on an element and give it a store. */

import type { Action, Block, Context } from './block';
import { beforeYouRun } from './before';
import { cells } from './cells';
import { comingDay } from './day';
import { h, say } from './dom';
import { facts } from './facts';
import { createFormat } from './format';
import { header } from './header';
import { headline } from './headline';
import { history } from './history';
import { method } from './method';
import { notice } from './notice';
import { power } from './power';
import { spokenCell } from './spoken';
import type { Store } from './store';
import { kernelOf } from './store';
import type { Translator } from './text';

export interface Host {
  readonly t: Translator;
  readonly act: (action: Action) => void;
  readonly offers: readonly Action['type'][];
  readonly locale?: string;
  readonly nameOf?: (cell_id: string) => string | null;
}

export interface View {
  update(): void;
  destroy(): void;
}

export function mount(element: HTMLElement, store: Store, host: Host): View {
  const { t } = host;
  const context: Context = {
    t,
    f: createFormat(host.locale ?? 'en'),
    act: host.act,
    dispatch: store.dispatch,
    nameOf: host.nameOf ?? (() => null),
    offers: new Set(host.offers)
  };
  const blocks: Block[] = [header, notice, headline, power, facts, cells, history, comingDay, beforeYouRun, method].map(make => make(context));
  const spoken = h('p', { class: 'jc-sr jc-spoken', role: 'status', 'aria-live': 'polite' });
  const root = h('div', { class: 'jc-panel' }, ...blocks.map(block => block.element), spoken);

  // A cell's end is spoken once; what had ended before the panel was opened is not.
  let heard: { readonly session_id: string; readonly run: number } | null = null;
  const announce = (): void => {
    const snapshot = kernelOf(store.get())?.snapshot ?? null;
    if (snapshot === null) {
      return;
    }
    const { session_id, ended, totals } = snapshot;
    if (ended !== null && heard?.session_id === session_id && ended.run > heard.run) {
      say(spoken, spokenCell(context, ended));
    }
    heard = { session_id, run: totals.runs };
  };
  const update = (): void => {
    const state = store.get();
    blocks.forEach(block => block.update(state));
    announce();
  };

  element.append(root);
  update();
  const unsubscribe = store.subscribe(update);
  return {
    update,
    destroy: () => {
      unsubscribe();
      root.remove();
    }
  };
}
