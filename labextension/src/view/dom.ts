/** A few words for building elements once and changing only what has changed. */

type Attributes = Readonly<Record<string, string | number | boolean | null>>;
type Child = Node | string | null;

const SVG = 'http://www.w3.org/2000/svg';

function fill<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    set(element, name, value);
  }
  element.append(...children.filter((child): child is Node | string => child !== null));
  return element;
}

/** An HTML element. Text is text: nothing here reads markup. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), attributes, children);
}

export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Sets an attribute; `null` and `false` take it away. */
export function set(element: Element, name: string, value: string | number | boolean | null): void {
  if (value === null || value === false) {
    if (element.hasAttribute(name)) {
      element.removeAttribute(name);
    }
    return;
  }
  const text = value === true ? '' : String(value);
  if (element.getAttribute(name) !== text) {
    element.setAttribute(name, text);
  }
}

export function say(element: Element, text: string): void {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

export function show(element: HTMLElement | SVGElement, yes: boolean): void {
  set(element, 'hidden', !yes);
}

export function button(className: string, onClick: () => void, ...children: Child[]): HTMLButtonElement {
  const element = h('button', { type: 'button', class: className }, ...children);
  element.addEventListener('click', onClick);
  return element;
}

/** A picture of 16 by 16, drawn with the colour of the text beside it. */
export function icon(...paths: string[]): SVGSVGElement {
  return svg(
    'svg',
    { class: 'jc-icon', viewBox: '0 0 16 16', 'aria-hidden': 'true', focusable: 'false' },
    ...paths.map(d => svg('path', { d }))
  );
}
