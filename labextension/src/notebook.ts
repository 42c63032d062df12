/** Cells by their id, in any open notebook. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { INotebookTracker, Notebook, NotebookPanel } from '@jupyterlab/notebook';
import { firstLine } from './view/firstline';

interface Place {
  readonly panel: NotebookPanel;
  readonly index: number;
}

/** Where each cell stands is looked up once per notebook, until its cells change: a list of cells asks for many. */
export class Cells {
  constructor(private readonly tracker: INotebookTracker) {}

  /** The first line of a cell's code, or null where no open notebook has the cell. */
  nameOf(cell_id: string): string | null {
    const place = this.find(cell_id);
    return place === null ? null : firstLine(place.panel.content.widgets[place.index]?.model.sharedModel.source ?? '');
  }

  /**
   * Show the cell and make it the active one. In a notebook of thousands of cells JupyterLab takes most of a second to
   * make one active, as it visits the editor of each: by then the reader has the cell before them.
   */
  goTo(shell: JupyterFrontEnd.IShell, cell_id: string): void {
    const place = this.find(cell_id);
    if (place === null) {
      return;
    }
    shell.activateById(place.panel.id);
    void place.panel.content.scrollToItem(place.index, 'smart');
    window.requestAnimationFrame(() => window.setTimeout(() => this.activate(cell_id)));
  }

  private activate(cell_id: string): void {
    const place = this.find(cell_id);
    if (place !== null) {
      place.panel.content.activeCellIndex = place.index;
      place.panel.content.deselectAll();
    }
  }

  private find(cell_id: string): Place | null {
    let place: Place | null = null;
    this.tracker.forEach(panel => {
      const index = this.indexOf(panel.content).get(cell_id);
      if (index !== undefined && (place === null || panel === this.tracker.currentWidget)) {
        place = { panel, index };
      }
    });
    return place;
  }

  private indexOf(notebook: Notebook): ReadonlyMap<string, number> {
    const { model, widgets } = notebook;
    const known = this.known.get(notebook);
    if (known !== undefined && known.model === model && known.count === widgets.length) {
      return known.index;
    }
    const index = new Map(widgets.map((widget, i) => [widget.model.id, i]));
    model?.cells.changed.connect(this.forget, this);
    this.known.set(notebook, { model, count: widgets.length, index });
    return index;
  }

  private forget(): void {
    this.known = new WeakMap();
  }

  private known = new WeakMap<Notebook, { readonly model: Notebook['model']; readonly count: number; readonly index: ReadonlyMap<string, number> }>();
}
