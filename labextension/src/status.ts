/** `≈ 4.7 g · 180 W` in the status bar; a click opens the panel. */

import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { LEAF } from './view/header';
import type { Context } from './view/block';
import { button, h, icon, say } from './view/dom';
import { UNKNOWN } from './view/format';
import { powerNow, powerQuality } from './view/headline';
import type { Store } from './view/store';
import { kernelOf } from './view/store';

export class StatusItem extends Widget {
  readonly activeStateChanged = new Signal<this, void>(this);

  constructor(
    private readonly store: Store,
    private readonly words: Pick<Context, 't' | 'f'>,
    open: () => void
  ) {
    super();
    this.addClass('jc-status');
    const { t } = words;
    const control = button('jc-status-button', open, icon(...LEAF), this.text);
    control.title = t.__('Energy and carbon of this session');
    this.node.append(control);
    this.unsubscribe = store.subscribe(() => this.update());
  }

  /** Something is metered. */
  isActive(): boolean {
    const kernel = kernelOf(this.store.get());
    return this.allowed && kernel !== null && kernel.snapshot !== null && !kernel.dead;
  }

  /** The setting. */
  allow(yes: boolean): void {
    this.allowed = yes;
    this.update();
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.unsubscribe();
      super.dispose();
    }
  }

  protected onUpdateRequest(): void {
    const snapshot = kernelOf(this.store.get())?.snapshot ?? null;
    if (this.isActive() !== this.active) {
      this.active = this.isActive();
      this.activeStateChanged.emit();
    }
    if (snapshot === null) {
      return;
    }
    const { t, f } = this.words;
    const { totals } = snapshot;
    const grams = totals.mixed ? UNKNOWN : f.gramsText(totals.operational_gco2e.likely, totals.quality ?? 'modelled', totals.exact);
    const watts = powerNow(snapshot);
    say(
      this.text,
      watts === null
        ? grams
        : t.__('%1 · %2', grams, f.quantity(watts, 'W', powerQuality(snapshot)))
    );
  }

  private readonly text = h('span', { class: 'jc-status-text' });
  private readonly unsubscribe: () => void;
  private active = false;
  private allowed = true;
}
