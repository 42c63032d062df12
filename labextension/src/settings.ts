/** The page's own settings, as `schema/plugin.json` describes them; what a person may have mistyped falls back. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';

export interface Settings {
  readonly autoStart: boolean;
  readonly badge: 'off' | 'badge' | 'saved';
  readonly badgeThreshold_kwh: number;
  readonly statusBar: boolean;
  readonly budget_gco2e: number | null;
}

export const DEFAULTS: Settings = {
  autoStart: false,
  badge: 'badge',
  badgeThreshold_kwh: 1e-6,
  statusBar: true,
  budget_gco2e: null
};

export function read(settings: ISettingRegistry.ISettings): Settings {
  const { autoStart, badge, badgeThreshold, statusBar, budget } = settings.composite;
  return {
    autoStart: autoStart === true,
    badge: badge === 'off' || badge === 'saved' ? badge : 'badge',
    badgeThreshold_kwh: typeof badgeThreshold === 'number' && badgeThreshold >= 0 ? badgeThreshold / 1e6 : DEFAULTS.badgeThreshold_kwh,
    statusBar: statusBar !== false,
    budget_gco2e: typeof budget === 'number' && budget > 0 ? budget : null
  };
}
