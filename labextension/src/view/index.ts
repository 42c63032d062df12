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
import type { State, Store } from './store';
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

/** What stands below the curve follows a running cell once a second: twice is restless, and half of what drawing takes. */
const CALM_MS = 900;

/** Whether nothing has changed but that a sample or two of the running cell has come. */
function isOneSampleOn(before: State, now: State): boolean {
  const [old, kernel] = [kernelOf(before), kernelOf(now)];
  const [was, is] = [old?.snapshot ?? null, kernel?.snapshot ?? null];
  if (old === null || kernel === null || was === null || is === null || was === is || now.now_ms - before.now_ms >= CALM_MS) {
    return false;
  }
  const isSameCell = was.running !== null && was.running.started_at === is.running?.started_at && was.totals.runs === is.totals.runs;
  const { now_ms: _, kernels: __, ...rest } = now;
  const isSamePanel = Object.entries(rest).every(([name, value]) => before[name as keyof State] === value);
  const isSameKernel = old.cells === kernel.cells && old.connected === kernel.connected && old.about === kernel.about && old.outlook === kernel.outlook;
  return isSameCell && isSamePanel && isSameKernel;
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
  const quick: Block[] = [header, notice, headline, power].map(make => make(context));
  const calm: Block[] = [facts, cells, history, comingDay, beforeYouRun, method].map(make => make(context));
  const spoken = h('p', { class: 'jc-sr jc-spoken', role: 'status', 'aria-live': 'polite' });
  const root = h('div', { class: 'jc-panel' }, ...[...quick, ...calm].map(block => block.element), spoken);

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
  let drawn: State | null = null;
  const update = (): void => {
    const state = store.get();
    quick.forEach(block => block.update(state));
    if (drawn === null || !isOneSampleOn(drawn, state)) {
      calm.forEach(block => block.update(state));
      drawn = state;
    }
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
