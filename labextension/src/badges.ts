/** One quiet line under each metered cell of a notebook, by cell id. */

import type { Cell as CellWidget, ICodeCellModel } from '@jupyterlab/cells';
import { isCodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { Badge } from './badge';
import { METADATA_KEY, badgeOf, badgeSpoken, badgeText, parseSaved, savedOf } from './badge';
import { sha1 } from './sha1';
import type { Context } from './view/block';
import { h, say, set } from './view/dom';
import type { Cell } from './view/protocol';
import type { Kernel, Store } from './view/store';

export interface BadgeSettings {
  readonly badge: 'off' | 'badge' | 'saved';
  readonly threshold_kwh: number;
}

const EDIT_MS = 300;
/** `jupyter_carbon/notebook/badge.py` gives its line this form beside HTML and plain text. */
const MIME = 'application/vnd.jupyter-carbon.v1+json';

export class Badges implements IDisposable {
  constructor(
    private readonly panel: NotebookPanel,
    private readonly store: Store,
    private readonly words: Pick<Context, 't' | 'f'>,
    private settings: BadgeSettings
  ) {
    this.unsubscribe = store.subscribe(() => this.news());
    panel.sessionContext.kernelChanged.connect(this.redraw, this);
    panel.content.modelContentChanged.connect(this.changed, this);
    void panel.context.ready.then(() => this.redraw());
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  dispose(): void {
    this.disposed = true;
    this.unsubscribe();
    window.clearTimeout(this.timer);
    Signal.disconnectReceiver(this);
  }

  configure(settings: BadgeSettings): void {
    this.settings = settings;
    this.redraw();
  }

  private get kernel(): Kernel | null {
    const id = this.panel.sessionContext.session?.kernel?.id;
    return id === undefined ? null : this.store.get().kernels.get(id) ?? null;
  }

  /** Something in the notebook was edited, moved or added: look again, once it is quiet. */
  private changed(): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.redraw(), EDIT_MS);
  }

  /** Rows that were not there at the last look: draw those cells only. */
  private news(): void {
    const cells = this.kernel?.cells ?? null;
    if (cells === this.seen) {
      return;
    }
    const rows = [...(cells?.values() ?? [])].filter(row => this.seen?.get(row.key) !== row && row.cell_id !== null);
    const gone = this.seen !== null && [...this.seen.keys()].some(key => !cells?.has(key));
    this.seen = cells;
    if (gone || this.disposed) {
      this.redraw();
      return;
    }
    const byId = new Map(rows.map(row => [row.cell_id, row]));
    for (const widget of this.panel.content.widgets) {
      const row = byId.get(widget.model.id);
      if (row !== undefined) {
        this.keep(widget, row);
        this.draw(widget, row);
      }
    }
  }

  private redraw(): void {
    if (this.disposed || this.panel.content.isDisposed) {
      return;
    }
    const rows = new Map([...(this.kernel?.cells.values() ?? [])].map(row => [row.cell_id, row]));
    for (const widget of this.panel.content.widgets) {
      this.draw(widget, rows.get(widget.model.id) ?? null);
    }
  }

  /** In the cell's metadata, by the page that ran it and by no other; written only when it says something new. */
  private keep(widget: CellWidget, row: Cell): void {
    const region = this.kernel?.snapshot?.intensity.region;
    const clientId = this.panel.sessionContext.session?.kernel?.clientId;
    if (this.settings.badge !== 'saved' || region === undefined || row.last.client !== clientId) {
      return;
    }
    const saved = savedOf(badgeOf(row), region);
    if (JSON.stringify(widget.model.getMetadata(METADATA_KEY)) !== JSON.stringify(saved)) {
      widget.model.setMetadata(METADATA_KEY, saved);
    }
  }

  private draw(widget: CellWidget, row: Cell | null): void {
    if (!isCodeCellModel(widget.model)) {
      return;
    }
    const badge = row === null ? parseSaved(widget.model.getMetadata(METADATA_KEY)) : badgeOf(row);
    const wanted = badge !== null && this.settings.badge !== 'off' && badge.energy_kwh >= this.settings.threshold_kwh;
    const line = this.lines.get(widget);
    if (!wanted || badge === null || isTold(widget.model)) {
      line?.remove();
      return;
    }
    void widget.ready.then(() => this.place(widget, badge));
  }

  private place(widget: CellWidget, badge: Badge): void {
    const home = widget.isDisposed ? null : widget.editorWidget?.node;
    if (home == null || this.disposed) {
      return;
    }
    const line = this.lines.get(widget) ?? h('div', { class: 'jc-badge', role: 'note' });
    this.lines.set(widget, line);
    const stale = badge.source_sha1 !== null && badge.source_sha1 !== sha1(widget.model.sharedModel.source);
    say(line, badgeText(this.words, badge, stale));
    set(line, 'aria-label', badgeSpoken(this.words, badge));
    set(line, 'data-stale', stale ? 'true' : null);
    if (line.parentElement !== home) {
      home.append(line);
    }
  }

  private readonly lines = new WeakMap<CellWidget, HTMLElement>();
  private readonly unsubscribe: () => void;
  private seen: ReadonlyMap<string, Cell> | null = null;
  private disposed = false;
  private timer = 0;
}

/** A `%%carbon` cell has its cost among its outputs, where the file keeps it: it is not told twice. */
function isTold({ outputs }: ICodeCellModel): boolean {
  for (let i = 0; i < outputs.length; i++) {
    if (MIME in outputs.get(i).data) {
      return true;
    }
  }
  return false;
}
