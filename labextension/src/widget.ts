/** The same view for VS Code, Colab and everywhere else that has no Carbon panel: an anywidget module. */

import { mount } from './view/index';
import { parseAnswer, parseSnapshot } from './view/protocol';
import { createStore } from './view/store';
import { english } from './view/text';

export * from './view/format';
export * from './view/index';
export * from './view/protocol';
export * from './view/screen';
export * from './view/store';
export { layers, ceiling } from './view/power';
export { flagKinds } from './view/flags';
export { english } from './view/text';
void parseAnswer; void parseSnapshot; void createStore; void english; void mount;
