/** The view in JupyterLab's side bar. */

import { LabIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import leaf from '../style/leaf.svg';
import type { Host, View } from './view/index';
import { mount } from './view/index';
import { outlookDue } from './view/outlook';
import type { Store } from './view/store';
import { kernelOf } from './view/store';

export const carbonIcon = new LabIcon({ name: 'jupyter-carbon:leaf', svgstr: leaf });

const TICK_MS = 1000;

export class CarbonPanel extends Widget {
  /** `looked` is told when the panel comes into view or leaves it. */
  constructor(
    private readonly store: Store,
    host: Host,
    private readonly looked: () => void
  ) {
    super();
    this.id = 'jupyter-carbon-panel';
    this.addClass('jc-host');
    this.title.icon = carbonIcon;
    this.title.caption = host.t.__('Carbon');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', host.t.__('Carbon'));
    // A hidden panel draws nothing; it is drawn again when it comes into view.
    const whenVisible: Store = {
      ...store,
      subscribe: listener => store.subscribe(() => this.isVisible && listener())
    };
    this.view = mount(this.node, whenVisible, host);
  }

  dispose(): void {
    if (!this.isDisposed) {
      window.clearInterval(this.timer);
      this.view.destroy();
      super.dispose();
    }
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.appeared();
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (this.isVisible) {
      this.appeared();
    }
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    window.clearInterval(this.timer);
    this.looked();
  }

  private appeared(): void {
    this.view.update();
    this.looked();
    window.clearInterval(this.timer);
    this.timer = window.setInterval(() => {
      const state = this.store.get();
      const kernel = kernelOf(state);
      const now_ms = Date.now();
      // Only what grows old by itself needs a clock: a sample or an answer that does not come, and the grid's hour.
      // Samples that do come bring their own time.
      const isLate = now_ms - state.now_ms >= TICK_MS && (kernel?.snapshot?.running || kernel?.busy_since_ms !== null || kernel.link === 'unknown');
      if (kernel !== null && (isLate || outlookDue(state, now_ms))) {
        this.store.dispatch({ type: 'tick', now_ms });
      }
    }, TICK_MS);
  }

  private readonly view: View;
  private timer = 0;
}
