/** What the plugins of this extension share. */

import { Token } from '@lumino/coreutils';
import type { Store } from './view/store';

export const PLUGIN_ID = 'jupyter-carbon:plugin';

/** The names of the commands. */
export const Commands = {
  open: 'jupyter-carbon:open',
  start: 'jupyter-carbon:start-metering',
  pause: 'jupyter-carbon:pause-metering',
  resume: 'jupyter-carbon:resume-metering'
} as const;

/** The kernels of all open notebooks, and what they have said. */
export interface ICarbon {
  readonly store: Store;
  /** Load the extension into the kernel in focus. */
  start(): Promise<void>;
  setMetering(on: boolean): Promise<void>;
}

export const ICarbon = new Token<ICarbon>('jupyter-carbon:ICarbon', 'Energy and carbon of the open notebooks.');
