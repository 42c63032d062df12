/** Cells by their id, in any open notebook. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { firstLine } from './view/firstline';

interface Place {
  readonly panel: NotebookPanel;
  readonly index: number;
}

function find(tracker: INotebookTracker, cell_id: string): Place | null {
  let place: Place | null = null;
  tracker.forEach(panel => {
    const index = panel.content.widgets.findIndex(widget => widget.model.id === cell_id);
    if (index >= 0 && (place === null || panel === tracker.currentWidget)) {
      place = { panel, index };
    }
  });
  return place;
}

export function nameOf(tracker: INotebookTracker, cell_id: string): string | null {
  const place = find(tracker, cell_id);
  return place === null ? null : firstLine(place.panel.content.widgets[place.index]?.model.sharedModel.source ?? '');
}

/** Show the cell and make it the active one. */
export function goTo(shell: JupyterFrontEnd.IShell, tracker: INotebookTracker, cell_id: string): void {
  const place = find(tracker, cell_id);
  if (place !== null) {
    const { panel, index } = place;
    shell.activateById(panel.id);
    panel.content.activeCellIndex = index;
    panel.content.deselectAll();
    void panel.content.scrollToItem(index, 'smart');
  }
}
