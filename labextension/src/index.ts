/** The plugins: they only wire. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILabShell, ILayoutRestorer } from '@jupyterlab/application';
import { Clipboard, ICommandPalette } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Badges } from './badges';
import { Follower } from './follow';
import { Cells } from './notebook';
import { CarbonPanel, carbonIcon } from './panel';
import type { Settings } from './settings';
import { DEFAULTS, read } from './settings';
import { StatusItem } from './status';
import { Commands, ICarbon, PLUGIN_ID } from './tokens';
import type { Action } from './view/block';
import { createFormat } from './view/format';
import { parseAnswer } from './view/protocol';
import { mood } from './view/screen';
import { kernelOf } from './view/store';

const HISTORY_KEY = 'jupyter-carbon:history';
const RANK = 900;

/** Numbers follow the language of the interface; English leaves the country to the browser. */
function localeOf(translator: ITranslator | null): string {
  const code = (translator?.languageCode ?? 'en').replace('_', '-');
  return code === 'en' && navigator.language.startsWith('en') ? navigator.language : code;
}

async function withSettings(registry: ISettingRegistry | null, use: (settings: Settings) => void): Promise<void> {
  if (registry === null) {
    use(DEFAULTS);
    return;
  }
  const settings = await registry.load(PLUGIN_ID);
  use(read(settings));
  settings.changed.connect(() => use(read(settings)));
}

const panel: JupyterFrontEndPlugin<ICarbon> = {
  id: PLUGIN_ID,
  description: 'The Carbon panel: energy and carbon of the notebook in focus, live.',
  autoStart: true,
  provides: ICarbon,
  requires: [INotebookTracker],
  optional: [ILabShell, ILayoutRestorer, ICommandPalette, ISettingRegistry, ITranslator, IStateDB],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null,
    state: IStateDB | null
  ): ICarbon => {
    const t = (translator ?? nullTranslator).load('jupyter_carbon');
    const { commands } = app;
    let settings = DEFAULTS;
    const cells = new Cells(tracker);
    const follower: Follower = new Follower(tracker, {
      looking: () => widget.isVisible,
      autoStart: () => settings.autoStart
    });
    const { store } = follower;

    const act = (action: Action): void => {
      switch (action.type) {
        case 'start':
          void commands.execute(Commands.start);
          break;
        case 'pause':
          void commands.execute(Commands.pause);
          break;
        case 'resume':
          void commands.execute(Commands.resume);
          break;
        case 'copy':
          Clipboard.copyToSystem(action.text);
          break;
        case 'go':
          cells.goTo(app.shell, action.cell_id);
          break;
        case 'history':
          follower.history(action.period);
          break;
        case 'ahead':
          follower.ahead(action.question);
          break;
        case 'outlook':
          follower.outlook();
          break;
        case 'settings':
          void commands.execute('settingeditor:open', { query: 'Carbon' });
          break;
      }
    };
    const widget: CarbonPanel = new CarbonPanel(
      store,
      {
        t,
        act,
        offers: ['start', 'pause', 'resume', 'copy', 'go', 'history', 'ahead', 'outlook', ...(labShell === null ? [] : (['settings'] as const))],
        locale: localeOf(translator),
        nameOf: id => cells.nameOf(id)
      },
      () => follower.looked()
    );
    app.shell.add(widget, 'right', { rank: RANK });
    restorer?.add(widget, widget.id);

    const isLive = (): boolean => (kernelOf(store.get())?.snapshot ?? null) !== null;
    const isPaused = (): boolean => {
      const kernel = kernelOf(store.get());
      return kernel !== null && mood(kernel, store.get().now_ms) === 'paused';
    };
    commands.addCommand(Commands.open, {
      label: t.__('Show the Carbon Panel'),
      icon: carbonIcon,
      describedBy: { args: null },
      execute: () => app.shell.activateById(widget.id)
    });
    commands.addCommand(Commands.start, {
      label: t.__('Start Metering'),
      describedBy: { args: null },
      isEnabled: () => kernelOf(store.get()) !== null && !isLive(),
      execute: () => follower.start()
    });
    commands.addCommand(Commands.pause, {
      label: t.__('Pause Metering'),
      describedBy: { args: null },
      isEnabled: () => isLive() && !isPaused(),
      execute: () => follower.setMetering(false)
    });
    commands.addCommand(Commands.resume, {
      label: t.__('Resume Metering'),
      describedBy: { args: null },
      isEnabled: isPaused,
      execute: () => follower.setMetering(true)
    });
    Object.values(Commands).forEach(command => palette?.addItem({ command, category: t.__('Carbon') }));

    let enabled = '';
    store.subscribe(() => {
      const now = `${kernelOf(store.get()) !== null} ${isLive()} ${isPaused()}`;
      if (now !== enabled) {
        enabled = now;
        commands.notifyCommandChanged();
      }
    });

    void withSettings(registry, next => {
      settings = next;
      store.dispatch({ type: 'budget', budget_gco2e: next.budget_gco2e });
    });
    // Without a kernel the ledger cannot be asked: the last answer is shown, with its date.
    void state?.fetch(HISTORY_KEY).then(saved => {
      const answer = parseAnswer(saved);
      if (answer?.answer === 'history' && store.get().history.answer === null) {
        store.dispatch({ type: 'period', period: answer.period });
        store.dispatch({ type: 'history', answer });
      }
      let kept = store.get().history.answer;
      store.subscribe(() => {
        const news = store.get().history.answer;
        if (news !== null && news !== kept) {
          kept = news;
          void state.save(HISTORY_KEY, JSON.parse(JSON.stringify(news)));
        }
      });
    });
    return follower;
  }
};

const badges: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-carbon:badges',
  description: 'A quiet line under each metered cell.',
  autoStart: true,
  requires: [INotebookTracker, ICarbon],
  optional: [ISettingRegistry, ITranslator],
  activate: (_: JupyterFrontEnd, tracker: INotebookTracker, carbon: ICarbon, registry: ISettingRegistry | null, translator: ITranslator | null) => {
    const words = { t: (translator ?? nullTranslator).load('jupyter_carbon'), f: createFormat(localeOf(translator)) };
    const all = new Map<NotebookPanel, Badges>();
    let settings = DEFAULTS;
    const chosen = (): { badge: Settings['badge']; threshold_kwh: number } => ({
      badge: settings.badge,
      threshold_kwh: settings.badgeThreshold_kwh
    });
    const add = (notebook: NotebookPanel): void => {
      all.set(notebook, new Badges(notebook, carbon.store, words, chosen()));
      notebook.disposed.connect(() => {
        all.get(notebook)?.dispose();
        all.delete(notebook);
      });
    };
    tracker.forEach(add);
    tracker.widgetAdded.connect((_, notebook) => add(notebook));
    void withSettings(registry, next => {
      settings = next;
      all.forEach(each => each.configure(chosen()));
    });
  }
};

const status: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-carbon:status',
  description: 'This session in the status bar.',
  autoStart: true,
  requires: [ICarbon],
  optional: [IStatusBar, ISettingRegistry, ITranslator],
  activate: (app: JupyterFrontEnd, carbon: ICarbon, bar: IStatusBar | null, registry: ISettingRegistry | null, translator: ITranslator | null) => {
    if (bar === null) {
      return;
    }
    const words = { t: (translator ?? nullTranslator).load('jupyter_carbon'), f: createFormat(localeOf(translator)) };
    const item = new StatusItem(carbon.store, words, () => void app.commands.execute(Commands.open));
    void withSettings(registry, settings => item.allow(settings.statusBar));
    bar.registerStatusItem('jupyter-carbon:status', {
      item,
      align: 'middle',
      rank: 10,
      isActive: () => item.isActive(),
      activeStateChanged: item.activeStateChanged
    });
  }
};

export default [panel, badges, status];
