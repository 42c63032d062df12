/**
 * One kernel: snapshots come in on iopub, questions go out on the shell channel.
 *
 * A question is a `comm_open` that we send ourselves, not through `createComm`: on ipykernel 7 the latter starts a
 * subshell, and answers from there make JupyterLab show an idle kernel while a cell runs. It is sent only to a kernel
 * that has been idle for a while, so that it never falls between two cells of a longer run.
 */

import type { Kernel } from '@jupyterlab/services';
import { KernelMessage } from '@jupyterlab/services';
import { UUID } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { Answer, AskEstimate, Period, Question, Snapshot } from './view/protocol';
import { COMM_ID, TARGET, VERSION, otherVersion, parseAnswer, parseNews, parseSnapshot } from './view/protocol';
import type { Store } from './view/store';
import { behind } from './view/store';

const QUIET_MS = 700;
const PATIENCE_MS = 10_000;

const LOADED = "__import__('IPython').get_ipython().find_line_magic('carbon') is not None";
const INSTALLED = "__import__('importlib.util', fromlist=['_']).find_spec('jupyter_carbon') is not None";

/** What a link wants to know of the page it lives in. */
export interface Page {
  readonly looking: () => boolean;
  readonly path: (kernel_id: string) => string | null;
  readonly autoStart: () => boolean;
}

export class Link implements IDisposable {
  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    private readonly store: Store,
    private readonly page: Page,
    private readonly fed: (snapshot: Snapshot) => void,
    private readonly idle: () => void
  ) {
    kernel.iopubMessage.connect(this.onMessage, this);
    kernel.anyMessage.connect(this.onAnyMessage, this);
    kernel.statusChanged.connect(this.onStatus, this);
    kernel.connectionStatusChanged.connect(this.onStatus, this);
    this.onStatus();
  }

  get id(): string {
    return this.kernel.id;
  }

  get connection(): Kernel.IKernelConnection {
    return this.kernel;
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  /** Idle, or busy with a question of ours, and no cell runs: another would be answered at once and disturb nothing. */
  get canAsk(): boolean {
    const free = this.kernel.status === 'idle' || this.sent.size > 0;
    return !this.disposed && free && this.state()?.snapshot?.running === null;
  }

  dispose(): void {
    this.disposed = true;
    window.clearTimeout(this.timer);
    Signal.disconnectReceiver(this);
  }

  /** Load the extension; what comes of it shows in the store. */
  async start(): Promise<void> {
    this.tell('starting');
    const reply = await this.execute('%load_ext jupyter_carbon', {});
    if (reply === null) {
      this.tell('failed', 'no answer');
    } else if (reply.status === 'ok') {
      this.retell();
      await this.look();
    } else if (reply.status === 'error' && reply.ename === 'ModuleNotFoundError' && reply.evalue.includes("'jupyter_carbon'")) {
      this.tell('missing');
    } else {
      this.tell('failed', reply.status === 'error' ? `${reply.ename}: ${reply.evalue}` : reply.status);
    }
  }

  async setMetering(on: boolean): Promise<void> {
    this.take(await this.ask({ v: VERSION, ask: 'metering', on }));
  }

  /** The ledger over a period, or null where there is no answer; a string is the reason, in words. */
  async history(period: Period): Promise<Answer | null> {
    const utc_offset_s = -60 * new Date().getTimezoneOffset();
    return this.ask({ v: VERSION, ask: 'history', period, notebook: this.page.path(this.id), utc_offset_s });
  }

  /** What a run would cost. */
  async ahead(question: AskEstimate): Promise<Answer | null> {
    return this.ask(question);
  }

  /** The grid now, and in the coming day. */
  async outlook(): Promise<Answer | null> {
    return this.ask({ v: VERSION, ask: 'outlook' });
  }

  /** Something has changed that the kernel should know, or tell: ask, once it is quiet. */
  settle(): void {
    window.clearTimeout(this.timer);
    if (!this.disposed) {
      this.timer = window.setTimeout(() => void this.settled(), QUIET_MS);
    }
  }

  private async settled(): Promise<void> {
    if (this.disposed || this.kernel.status !== 'idle' || this.asking) {
      return;
    }
    const state = this.state();
    if (state === undefined || (state.link === 'unknown' && state.snapshot === null)) {
      await this.probe();
    } else if (state.snapshot !== null && state.snapshot.running === null) {
      const said = `${this.page.looking()} ${this.page.path(this.id) ?? ''}`;
      if (behind(state) || said !== this.said) {
        await this.look();
      }
    }
  }

  /** Is the extension loaded, is the package there? Asked once per kernel start. */
  private async probe(): Promise<void> {
    this.asking = true;
    const reply = await this.execute('', { loaded: LOADED, installed: INSTALLED });
    this.asking = false;
    if (reply === null || reply.status !== 'ok' || this.state()?.snapshot) {
      return;
    }
    if (isTrue(reply.user_expressions.loaded)) {
      await this.look();
    } else if (!isTrue(reply.user_expressions.installed)) {
      this.tell('missing');
    } else if (this.page.autoStart()) {
      await this.start();
    } else {
      this.tell('off');
    }
  }

  private async look(): Promise<void> {
    const looking = this.page.looking();
    const notebook = this.page.path(this.id);
    const state = this.state();
    this.said = `${looking} ${notebook ?? ''}`;
    this.asking = true;
    this.take(
      await this.ask({
        v: VERSION,
        ask: 'look',
        looking,
        notebook,
        session_id: state?.snapshot?.session_id ?? null,
        since_run: state?.known_run ?? 0
      })
    );
    this.asking = false;
  }

  private take(answer: Answer | null): void {
    if (answer === null) {
      return;
    }
    if (answer.answer === 'look') {
      this.feed(answer.snapshot);
      const { snapshot, cells, about } = answer;
      this.store.dispatch({ type: 'cells', kernel_id: this.id, session_id: snapshot.session_id, cells, about });
    } else if (answer.answer === 'error' && this.state()?.snapshot == null) {
      this.tell('failed', answer.reason);
    }
  }

  private async ask(question: Question): Promise<Answer | null> {
    if (this.disposed) {
      return null;
    }
    const { kernel } = this;
    const comm_id = UUID.uuid4();
    const address = { username: kernel.username, session: kernel.clientId, channel: 'shell' as const };
    // The answer comes when the kernel has it, perhaps after the request is done: a ledger may hold many years.
    const data = new Promise<unknown>(resolve => this.waiting.set(comm_id, resolve));
    this.send(
      KernelMessage.createMessage<KernelMessage.ICommOpenMsg<'shell'>>({
        ...address,
        msgType: 'comm_open',
        content: { comm_id, target_name: TARGET, data: question }
      })
    );
    const told = await within(PATIENCE_MS, data);
    this.waiting.delete(comm_id);
    const answer = parseAnswer(told);
    this.noteVersion(told);
    if (told !== null && !kernel.isDisposed) {
      this.send(
        KernelMessage.createMessage<KernelMessage.ICommCloseMsg<'shell'>>({
          ...address,
          msgType: 'comm_close',
          content: { comm_id, data: {} }
        })
      );
    }
    return answer;
  }

  private send(message: KernelMessage.ICommOpenMsg<'shell'> | KernelMessage.ICommCloseMsg<'shell'>): void {
    this.sent.add(message.header.msg_id);
    this.kernel.sendShellMessage(message);
  }

  private async execute(code: string, user_expressions: Record<string, string>): Promise<KernelMessage.IExecuteReplyMsg['content'] | null> {
    const future = this.kernel.requestExecute({
      code,
      silent: true,
      store_history: false,
      allow_stdin: false,
      stop_on_error: false,
      user_expressions
    });
    const reply = await within(PATIENCE_MS, future.done);
    return reply === null ? null : reply.content;
  }

  private onMessage(_: Kernel.IKernelConnection, message: KernelMessage.IIOPubMessage): void {
    if (KernelMessage.isStatusMsg(message) && message.content.execution_state === 'idle') {
      this.sent.delete((message.parent_header as Partial<KernelMessage.IHeader>).msg_id ?? '');
    }
    if (!KernelMessage.isCommMsgMsg(message)) {
      return;
    }
    const { comm_id, data } = message.content;
    if (comm_id === COMM_ID) {
      const snapshot = parseSnapshot(data);
      const news = snapshot === null ? parseNews(data) : null;
      if (snapshot !== null) {
        this.feed(snapshot);
      } else if (news !== null) {
        this.store.dispatch({ type: 'news', kernel_id: this.id, news });
      } else {
        this.noteVersion(data);
      }
    }
    this.waiting.get(comm_id)?.(data);
  }

  private feed(snapshot: Snapshot): void {
    this.store.dispatch({ type: 'snapshot', kernel_id: this.id, snapshot, now_ms: Date.now() });
    this.fed(snapshot);
    if (snapshot.running === null) {
      this.settle();
    }
  }

  private noteVersion(data: unknown): void {
    const version = otherVersion(data);
    if (version !== null && this.state()?.other_version !== version) {
      console.info(`jupyter-carbon: a kernel speaks version ${version} of the protocol, this page ${VERSION}; its messages are ignored`);
      this.store.dispatch({ type: 'other-version', kernel_id: this.id, version });
    }
  }

  /**
   * A cell leaves for the kernel. A call that holds Python's lock from its first moment does not let the kernel's own
   * "busy" out, so the panel counts from here.
   */
  private onAnyMessage(_: Kernel.IKernelConnection, { msg, direction }: Kernel.IAnyMessageArgs): void {
    if (direction === 'send' && msg.header.msg_type === 'execute_request' && this.kernel.status === 'idle') {
      this.dispatchStatus(true);
    }
  }

  private onStatus(): void {
    const { status, id: kernel_id } = this.kernel;
    if (status === 'restarting' || status === 'autorestarting') {
      this.said = '';
      this.sent.clear();
      this.store.dispatch({ type: 'restarted', kernel_id, now_ms: Date.now() });
    }
    this.dispatchStatus(status === 'busy' || status === 'unknown');
    if (status === 'idle') {
      this.settle();
      this.idle();
    } else {
      window.clearTimeout(this.timer);
    }
  }

  private dispatchStatus(busy: boolean): void {
    const { status, connectionStatus, id: kernel_id } = this.kernel;
    this.store.dispatch({
      type: 'status',
      kernel_id,
      busy,
      connected: connectionStatus === 'connected' || status === 'restarting' || status === 'autorestarting',
      dead: status === 'dead',
      now_ms: Date.now()
    });
  }

  private state(): ReturnType<ReturnType<Store['get']>['kernels']['get']> {
    return this.store.get().kernels.get(this.id);
  }

  private tell(link: 'off' | 'missing' | 'starting' | 'failed', problem?: string): void {
    const event = { type: 'link', kernel_id: this.id, link, now_ms: Date.now() } as const;
    this.store.dispatch(problem === undefined ? event : { ...event, problem });
  }

  /** Loaded: until the first snapshot comes nothing is known. */
  private retell(): void {
    if (this.state()?.snapshot == null) {
      this.store.dispatch({ type: 'link', kernel_id: this.id, link: 'unknown', now_ms: Date.now() });
    }
  }

  private readonly waiting = new Map<string, (data: unknown) => void>();
  /** Messages of ours that the kernel has not finished with. */
  private readonly sent = new Set<string>();
  private disposed = false;
  private asking = false;
  private said = '';
  private timer = 0;
}

function isTrue(expression: unknown): boolean {
  const { data } = (expression ?? {}) as { readonly data?: Readonly<Record<string, unknown>> };
  return data?.['text/plain'] === 'True';
}

/** What a promise brings, or null when it fails or takes longer. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | null> {
  let timer = 0;
  const late = new Promise<null>(resolve => {
    timer = window.setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } catch {
    return null; // a kernel that was restarted or shut down cancels what it was asked
  } finally {
    window.clearTimeout(timer);
  }
}
