/** The name of the panel, what it looks at, whether it measures, and the switch. */

import type { Block, Context } from './block';
import { button, h, icon, say, set, show } from './dom';
import type { Mood } from './screen';
import { mood, screen } from './screen';
import type { State } from './store';
import { kernelOf } from './store';

export const LEAF = ['M2.5 13.5c0-6.500 4-10 11-11 .3 7-2.800 11-8 11-1 0-1.800-.4-2.300-.9M2.500 13.500C4 10 6.500 7.500 9.500 6'];
const PAUSE = ['M5.500 3.500v9M10.500 3.500v9'];
const PLAY = ['M5 3.200v9.600l7.500-4.800z'];

export function header(context: Context): Block {
  const { t, act } = context;
  const pill = h('span', { class: 'jc-pill' });
  const pauseIcon = icon(...PAUSE);
  const playIcon = icon(...PLAY);
  const toggle = button('jc-toggle jc-iconbutton', () => act({ type: toggle.dataset.does === 'resume' ? 'resume' : 'pause' }), pauseIcon, playIcon);
  const title = h('span', { class: 'jc-notebook' });
  const kernelName = h('span', { class: 'jc-kernel jc-muted' });
  const subject = h('div', { class: 'jc-subject' }, title, kernelName);
  const element = h(
    'div',
    { class: 'jc-header' },
    h('div', { class: 'jc-bar' }, icon(...LEAF), h('h2', { class: 'jc-title' }, t.__('Carbon')), pill, toggle),
    subject
  );

  const update = (state: State): void => {
    const kernel = kernelOf(state);
    const now = screen(state);
    const word = now === 'live' && kernel !== null ? mood(kernel, state.now_ms) : now === 'off' ? 'off' : null;
    show(pill, word !== null);
    if (word !== null) {
      set(pill, 'data-mood', word);
      say(pill, moodWord(context, word));
      // It beats with each sample: an animation would draw sixty times a second, and beat without samples too.
      set(pill, 'data-beat', word === 'metering' && (kernel?.snapshot?.seq ?? 0) % 2 === 1);
    }
    const paused = word === 'paused';
    show(toggle, context.offers.has('pause') && now === 'live' && kernel !== null && kernel.connected && !kernel.dead);
    set(toggle, 'data-does', paused ? 'resume' : 'pause');
    const label = paused ? t.__('Resume metering') : t.__('Pause metering');
    set(toggle, 'aria-label', label);
    set(toggle, 'title', label);
    show(pauseIcon, !paused);
    show(playIcon, paused);
    show(subject, state.subject !== null);
    say(title, state.subject?.title ?? '');
    set(title, 'title', state.subject?.path ?? null);
    say(kernelName, state.subject?.kernel_name ?? '');
  };
  return { element, update };
}

function moodWord({ t }: Context, word: Mood | 'off'): string {
  return {
    metering: t.__('metering'),
    idle: t.__('idle'),
    paused: t.__('paused'),
    stalled: t.__('stalled'),
    lost: t.__('not connected'),
    ended: t.__('ended'),
    off: t.__('off')
  }[word];
}
