/** A section that folds: a heading with a button, as a reader of any kind expects it. */

import type { Block, Context } from './block';
import { button, h, icon, set, show } from './dom';
import type { Section } from './store';

const CHEVRON = 'M4 6l4 4 4-4';
let number = 0;

export function fold(context: Context, section: Section, title: (Node | string)[], content: Node[], aside: Node | null = null): Block {
  number += 1;
  const id = `jc-${section}-${number}`;
  let folded = false;
  const toggle = button('jc-fold', () => context.dispatch({ type: 'fold', section, folded: !folded }), icon(CHEVRON), h('span', {}, ...title));
  set(toggle, 'aria-controls', id);
  const inner = h('div', { class: 'jc-folded', id }, ...content);
  const element = h('section', { class: `jc-section jc-section-${section}` }, h('div', { class: 'jc-sectionhead' }, h('h3', {}, toggle), aside), inner);
  return {
    element,
    update: state => {
      folded = state.folded.has(section);
      set(toggle, 'aria-expanded', folded ? 'false' : 'true');
      show(inner, !folded);
    }
  };
}
