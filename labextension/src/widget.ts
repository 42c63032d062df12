/** The same view for VS Code, Colab and everywhere else that has no Carbon panel: an anywidget module. */

import type { Action } from './view/block';
import { mount } from './view/index';
import { outlookDue } from './view/outlook';
import type { Question } from './view/protocol';
import { VERSION, otherVersion, parseAnswer, parseNews, parseSnapshot } from './view/protocol';
import { behind, createStore, kernelOf } from './view/store';
import { english } from './view/text';

/** What we use of anywidget's model. */
interface Model {
  get(name: 'snapshot'): unknown;
  send(content: Question): void;
  on(event: 'change:snapshot', listener: () => void): void;
  on(event: 'msg:custom', listener: (content: unknown) => void): void;
  off(event: 'change:snapshot', listener: () => void): void;
  off(event: 'msg:custom', listener: (content: unknown) => void): void;
}

const HERE = 'here';
const TICK_MS = 1000;

function render({ model, el }: { readonly model: Model; readonly el: HTMLElement }): () => void {
  const store = createStore();
  const look = (): void => {
    const kernel = kernelOf(store.get());
    model.send({
      v: VERSION,
      ask: 'look',
      looking: true,
      notebook: null,
      session_id: kernel?.snapshot?.session_id ?? null,
      since_run: kernel?.known_run ?? 0
    });
  };
  const askHistory = (): void => {
    const { period } = store.get().history;
    store.dispatch({ type: 'history-asked', asked: kernelOf(store.get())?.snapshot?.running ? 'later' : 'now' });
    model.send({ v: VERSION, ask: 'history', period, notebook: null, utc_offset_s: -60 * new Date().getTimezoneOffset() });
  };
  const act = (action: Action): void => {
    switch (action.type) {
      case 'pause':
      case 'resume':
        model.send({ v: VERSION, ask: 'metering', on: action.type === 'resume' });
        break;
      case 'history':
        store.dispatch({ type: 'period', period: action.period });
        askHistory();
        break;
      case 'ahead':
        store.dispatch({ type: 'ahead-asked', asked: kernelOf(store.get())?.snapshot?.running ? 'later' : 'now' });
        model.send(action.question);
        break;
      case 'outlook':
        store.dispatch({ type: 'outlook-asked', kernel_id: HERE, now_ms: Date.now() });
        model.send({ v: VERSION, ask: 'outlook' });
        break;
    }
  };
  const feed = (data: unknown): void => {
    const snapshot = parseSnapshot(data);
    const version = otherVersion(data);
    if (snapshot !== null) {
      if (store.get().subject === null) {
        const path = snapshot.notebook;
        const title = path?.split('/').pop() ?? english.__('This kernel');
        store.dispatch({ type: 'subject', subject: { title, path, kernel_id: HERE, kernel_name: '', python: true } });
      }
      const before = kernelOf(store.get())?.snapshot ?? null;
      store.dispatch({ type: 'snapshot', kernel_id: HERE, snapshot, now_ms: Date.now() });
      const kernel = kernelOf(store.get());
      if (snapshot.running === null && before !== null && snapshot.totals.runs > before.totals.runs) {
        if (kernel !== null && behind(kernel)) {
          look();
        }
        askHistory();
      }
    } else if (version !== null) {
      console.info(`jupyter-carbon: a kernel speaks version ${version} of the protocol, this page ${VERSION}; its messages are ignored`);
      store.dispatch({ type: 'other-version', kernel_id: HERE, version });
    }
  };
  const onSnapshot = (): void => feed(model.get('snapshot'));
  const onMessage = (content: unknown): void => {
    const answer = parseAnswer(content);
    if (answer?.answer === 'look') {
      const { snapshot, cells, about } = answer;
      feed(snapshot);
      store.dispatch({ type: 'cells', kernel_id: HERE, session_id: snapshot.session_id, cells, about });
    } else if (answer?.answer === 'history') {
      store.dispatch({ type: 'history', answer });
    } else if (answer?.answer === 'error' && answer.ask === 'history') {
      store.dispatch({ type: 'history-problem', problem: answer.reason });
    } else if (answer?.answer === 'estimate') {
      store.dispatch({ type: 'ahead', answer });
    } else if (answer?.answer === 'error' && answer.ask === 'estimate') {
      store.dispatch({ type: 'ahead-problem', problem: answer.reason });
    } else if (answer?.answer === 'outlook') {
      store.dispatch({ type: 'outlook', kernel_id: HERE, answer, now_ms: Date.now() });
    } else if (answer?.answer === 'error' && answer.ask === 'outlook') {
      store.dispatch({ type: 'outlook-problem', kernel_id: HERE, problem: answer.reason });
    }
  };

  onSnapshot();
  const view = mount(el, store, { t: english, act, offers: ['pause', 'resume', 'history', 'ahead', 'outlook'] });
  model.on('change:snapshot', onSnapshot);
  model.on('msg:custom', onMessage);
  look();
  askHistory();
  const timer = setInterval(() => {
    const state = store.get();
    const now_ms = Date.now();
    if (kernelOf(state)?.snapshot?.running || outlookDue(state, now_ms)) {
      store.dispatch({ type: 'tick', now_ms });
    }
  }, TICK_MS);
  return () => {
    clearInterval(timer);
    model.off('change:snapshot', onSnapshot);
    model.off('msg:custom', onMessage);
    view.destroy();
  };
}

export default { render };

// The parts, for the tests of what is shipped.
export { badgeSpoken, badgeText, parseSaved, savedOf } from './badge';
export { sha1 } from './sha1';
export { noAhead, questionOf } from './view/ahead';
export { firstLine } from './view/firstline';
export { createFormat } from './view/format';
export { steps } from './view/day';
export { ceiling, layers } from './view/power';
export { outlookDue } from './view/outlook';
export { behind, initial, newKernel, reduce } from './view/store';
export { COMM_ID, TARGET } from './view/protocol';
export { createStore, english, mount, otherVersion, parseAnswer, parseNews, parseSnapshot };
