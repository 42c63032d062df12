/** The interface language: JupyterLab's translator fits as it is, `english` stands in where there is none. */

export interface Translator {
  __(text: string, ...args: (string | number)[]): string;
  _n(one: string, many: string, n: number, ...args: (string | number)[]): string;
}

const fill = (text: string, args: readonly (string | number)[]): string =>
  text.replace(/%(\d+)/g, (_, index: string) => String(args[Number(index) - 1] ?? ''));

export const english: Translator = {
  __: (text, ...args) => fill(text, args),
  _n: (one, many, n, ...args) => fill(n === 1 ? one : many, [n, ...args])
};
