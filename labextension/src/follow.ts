/** All open notebooks: one link to each of their kernels, the store they feed, and the notebook in focus. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { PathExt } from '@jupyterlab/coreutils';
import type { Kernel } from '@jupyterlab/services';
import { Link } from './link';
import type { ICarbon } from './tokens';
import type { AskEstimate, Period, Snapshot } from './view/protocol';
import { PERIODS } from './view/protocol';
import type { Store, Subject } from './view/store';
import { createStore, kernelOf } from './view/store';

const QUIET_MS = 1500;

export class Follower implements ICarbon {
  readonly store: Store = createStore();

  constructor(
    private readonly tracker: INotebookTracker,
    private readonly options: { readonly looking: () => boolean; readonly autoStart: () => boolean }
  ) {
    tracker.forEach(panel => this.add(panel));
    tracker.widgetAdded.connect((_, panel) => this.add(panel));
    tracker.currentChanged.connect(() => this.refocus());
    this.refocus();
  }

  async start(): Promise<void> {
    await this.link()?.start();
  }

  async setMetering(on: boolean): Promise<void> {
    await this.link()?.setMetering(on);
  }

  /** The panel came into view, or left it. */
  looked(): void {
    this.links.forEach(link => link.settle());
    if (this.options.looking()) {
      this.history(this.store.get().history.period);
    }
  }

  /** Ask the ledger, by any kernel that has time; the one in focus first. */
  history(period: Period): void {
    const { store } = this;
    store.dispatch({ type: 'period', period });
    const link = [this.link(), ...this.links.values()].find(candidate => candidate?.canAsk);
    if (link === undefined || link === null) {
      const waiting = [...store.get().kernels.values()].some(kernel => kernel.link === 'on');
      store.dispatch({ type: 'history-asked', asked: waiting ? 'later' : 'no' });
      return;
    }
    store.dispatch({ type: 'history-asked', asked: 'now' });
    void link.history(period).then(answer => {
      if (answer?.answer === 'history') {
        store.dispatch({ type: 'history', answer });
        void this.askOtherPeriods(link);
      } else if (answer?.answer === 'error') {
        store.dispatch({ type: 'history-problem', problem: answer.reason });
      } else {
        store.dispatch({ type: 'history-asked', asked: 'no' });
      }
    });
  }

  /** A ledger of many years is not added up in the blink of an eye: the other periods are there before the reader asks. */
  private async askOtherPeriods(link: Link): Promise<void> {
    if (this.askingOthers) {
      return;
    }
    this.askingOthers = true;
    for (const period of PERIODS) {
      if (link.canAsk && this.options.looking() && !this.store.get().history.kept.has(period)) {
        const answer = await link.history(period);
        if (answer?.answer === 'history') {
          this.store.dispatch({ type: 'history', answer });
        }
      }
    }
    this.askingOthers = false;
  }

  /** Ask the kernel in focus what a run would cost; while a cell runs, once that has ended. */
  ahead(question: AskEstimate): void {
    const { store } = this;
    const link = this.link();
    this.waiting = null;
    if (link === null || !link.canAsk) {
      this.waiting = kernelOf(store.get())?.link === 'on' ? question : null;
      store.dispatch({ type: 'ahead-asked', asked: this.waiting === null ? 'no' : 'later' });
      return;
    }
    store.dispatch({ type: 'ahead-asked', asked: 'now' });
    void link.ahead(question).then(answer => {
      if (answer?.answer === 'estimate') {
        store.dispatch({ type: 'ahead', answer });
      } else {
        store.dispatch({ type: 'ahead-problem', problem: answer?.answer === 'error' ? answer.reason : null });
      }
    });
  }

  /** Ask the kernel in focus for its grid's coming day, if it has time; the view asks again as long as it is due. */
  outlook(): void {
    const { store } = this;
    const link = this.link();
    if (link === null || !link.canAsk) {
      return;
    }
    const kernel_id = link.id;
    store.dispatch({ type: 'outlook-asked', kernel_id, now_ms: Date.now() });
    void link.outlook().then(answer => {
      if (answer?.answer === 'outlook') {
        store.dispatch({ type: 'outlook', kernel_id, answer, now_ms: Date.now() });
      } else {
        store.dispatch({ type: 'outlook-problem', kernel_id, problem: answer?.answer === 'error' ? answer.reason : null });
      }
    });
  }

  /** The notebooks of a kernel, the one in focus first. */
  private panelsOf(kernel_id: string): NotebookPanel[] {
    const panels = this.tracker.filter(panel => panel.sessionContext.session?.kernel?.id === kernel_id);
    return panels.sort((a, b) => Number(b === this.tracker.currentWidget) - Number(a === this.tracker.currentWidget));
  }

  private link(): Link | null {
    const kernel_id = this.store.get().subject?.kernel_id;
    return kernel_id == null ? null : this.links.get(kernel_id) ?? null;
  }

  private add(panel: NotebookPanel): void {
    const { sessionContext } = panel;
    sessionContext.kernelChanged.connect((_, change) => {
      this.relink(change.oldValue?.id ?? null);
      this.relink(change.newValue?.id ?? null);
      this.refocus();
    });
    sessionContext.statusChanged.connect(() => this.refocus());
    panel.context.pathChanged.connect(() => {
      this.refocus();
      this.links.forEach(link => link.settle());
    });
    panel.disposed.connect(() => {
      [...this.links.keys()].forEach(id => this.relink(id));
      this.refocus();
    });
    this.relink(sessionContext.session?.kernel?.id ?? null);
    void sessionContext.ready.then(() => {
      this.relink(sessionContext.session?.kernel?.id ?? null);
      this.refocus();
    });
  }

  /** One link for each kernel, on the connection of any notebook that still has it. */
  private relink(kernel_id: string | null): void {
    if (kernel_id === null) {
      return;
    }
    const connections = this.panelsOf(kernel_id)
      .filter(panel => !panel.isDisposed)
      .map(panel => panel.sessionContext.session?.kernel)
      .filter((kernel): kernel is Kernel.IKernelConnection => kernel != null && !kernel.isDisposed);
    const old = this.links.get(kernel_id);
    if (old !== undefined && connections.includes(old.connection)) {
      return;
    }
    old?.dispose();
    this.links.delete(kernel_id);
    const [connection] = connections;
    if (connection === undefined) {
      this.store.dispatch({ type: 'gone', kernel_id });
      return;
    }
    const page = {
      looking: this.options.looking,
      autoStart: this.options.autoStart,
      path: (id: string) => this.panelsOf(id)[0]?.context.path ?? null
    };
    this.links.set(kernel_id, new Link(connection, this.store, page, snapshot => this.fed(snapshot), () => this.idle()));
  }

  private fed(snapshot: Snapshot): void {
    if (snapshot.running === null) {
      this.askAhead();
      this.askHistory();
    }
  }

  /** A kernel has time again: for what could not be asked when the reader wished it. */
  private idle(): void {
    this.askAhead();
    if (this.store.get().history.asked === 'later') {
      this.askHistory();
    }
  }

  private askAhead(): void {
    const question = this.waiting;
    if (question !== null) {
      window.clearTimeout(this.askingAhead);
      this.askingAhead = window.setTimeout(() => this.ahead(question), QUIET_MS);
    }
  }

  private askHistory(): void {
    if (this.options.looking()) {
      window.clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.history(this.store.get().history.period), QUIET_MS);
    }
  }

  private refocus(): void {
    const subject = subjectOf(this.tracker.currentWidget);
    const old = this.store.get().subject;
    if (JSON.stringify(subject) !== JSON.stringify(old)) {
      this.store.dispatch({ type: 'subject', subject });
      const kernel = kernelOf(this.store.get());
      if (kernel !== null && subject?.path !== old?.path) {
        this.link()?.settle();
      }
    }
  }

  private readonly links = new Map<string, Link>();
  private timer = 0;
  private waiting: AskEstimate | null = null;
  private askingAhead = 0;
  private askingOthers = false;
}

function subjectOf(panel: NotebookPanel | null): Subject | null {
  if (panel === null || panel.isDisposed) {
    return null;
  }
  const { sessionContext, context } = panel;
  const kernel = sessionContext.session?.kernel ?? null;
  const spec = kernel === null ? undefined : sessionContext.specsManager.specs?.kernelspecs[kernel.name];
  return {
    title: PathExt.basename(context.path),
    path: context.path,
    kernel_id: kernel?.id ?? null,
    kernel_name: sessionContext.kernelDisplayName,
    python: kernel === null || spec === undefined || /^i?python/i.test(spec.language)
  };
}
