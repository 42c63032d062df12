/** The sentence for each state without numbers, and the one thing to do about it. */

import type { Block, Context } from './block';
import { button, h, say, set, show } from './dom';
import { isSkeleton, screen } from './screen';
import type { State } from './store';
import { kernelOf } from './store';

export const INSTALL = '%pip install jupyter_carbon';

interface Words {
  readonly text: string;
  readonly more?: string;
  readonly start?: boolean;
  readonly install?: boolean;
}

export function notice(context: Context): Block {
  const { t, act } = context;
  const text = h('p', { class: 'jc-notice-text' });
  const more = h('p', { class: 'jc-notice-more jc-muted' });
  const start = button('jc-start jc-button', () => act({ type: 'start' }), t.__('Start metering'));
  const copy = button('jc-copy jc-button jc-quiet', () => act({ type: 'copy', text: INSTALL }), t.__('Copy'));
  const install = h('div', { class: 'jc-install' }, h('code', {}, INSTALL), copy);
  const skeleton = h('div', { class: 'jc-skeleton', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'));
  const element = h('section', { class: 'jc-notice', 'aria-label': t.__('State') }, skeleton, text, more, install, start);

  const update = (state: State): void => {
    const now = screen(state);
    show(element, now !== 'live');
    if (now === 'live') {
      return;
    }
    const empty = isSkeleton(state);
    const words = empty ? { text: '' } : wordsOf(context, state);
    set(element, 'data-screen', now);
    set(element, 'aria-busy', empty ? 'true' : null);
    show(skeleton, empty);
    show(text, !empty);
    say(text, words.text);
    show(more, words.more !== undefined);
    say(more, words.more ?? '');
    show(start, words.start === true && context.offers.has('start'));
    show(install, words.install === true);
    show(copy, context.offers.has('copy'));
  };
  return { element, update };
}

function wordsOf({ t }: Context, state: State): Words {
  const kernel = kernelOf(state);
  switch (screen(state)) {
    case 'no-notebook':
      return { text: t.__('Open a notebook to see its footprint.') };
    case 'no-kernel':
      return { text: t.__('This notebook has no kernel. Its footprint appears when one runs.') };
    case 'other-language':
      return { text: t.__('%1 is not a Python kernel. It is not metered.', state.subject?.kernel_name ?? '') };
    case 'off':
      return { text: t.__('Metering is off for this kernel. Nothing is measured.'), start: true };
    case 'missing':
      return {
        text: t.__('jupyter_carbon is not installed in this kernel’s environment.'),
        more: t.__('Run this in a cell, then start metering:'),
        install: true,
        start: true
      };
    case 'starting':
      return { text: t.__('Starting …') };
    case 'failed':
      return { text: t.__('Metering could not be started.'), more: kernel?.problem ?? '', start: true };
    case 'busy':
      return { text: t.__('The kernel is busy. Its state is known when the running cell ends.') };
    case 'other-version':
      return {
        text: t.__('The kernel speaks another version of the protocol (%1); its messages are ignored.', kernel?.other_version ?? ''),
        more: t.__('Install the same version of jupyter_carbon for the server and for the kernel.')
      };
    case 'dead':
      return { text: t.__('The kernel has died.'), more: t.__('Restart it to measure again.') };
    default:
      return { text: t.__('Waiting for the kernel …') };
  }
}
