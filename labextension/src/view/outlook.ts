/** The grid's clock: what it carries now and in the coming day, asked for while somebody looks and nothing runs. */

import type { Intensity, OutlookAnswer } from './protocol';
import type { Kernel, State } from './store';
import { kernelOf } from './store';

export interface Outlook {
  readonly answer: OutlookAnswer | null;
  readonly received_ms: number;
  /** Since when an answer is waited for, or since when none came. */
  readonly asked_ms: number | null;
  /** Why there is no answer, in words; empty where the kernel kept silent. */
  readonly problem: string | null;
}

export type OutlookEvent =
  | { readonly type: 'outlook-asked'; readonly kernel_id: string; readonly now_ms: number }
  | { readonly type: 'outlook'; readonly kernel_id: string; readonly answer: OutlookAnswer; readonly now_ms: number }
  | { readonly type: 'outlook-problem'; readonly kernel_id: string; readonly problem: string | null };

export const noOutlook: Outlook = { answer: null, received_ms: 0, asked_ms: null, problem: null };

/** An answer grows old; one that was given while a source was being asked, soon. */
const OLD_MS = 600_000;
const SOON_MS = 5000;
/** After silence or an error. */
const AGAIN_MS = 60_000;

export function outlook(state: Outlook, event: OutlookEvent): Outlook {
  switch (event.type) {
    case 'outlook-asked':
      return { ...state, asked_ms: event.now_ms };
    case 'outlook':
      return { answer: event.answer, received_ms: event.now_ms, asked_ms: null, problem: null };
    case 'outlook-problem':
      return { ...state, problem: event.problem ?? '' };
  }
}

/** Whether to ask now: it is shown, the kernel would answer at once, and what it said last is old or of another place. */
export function outlookDue(state: State, now_ms: number): boolean {
  const kernel = kernelOf(state);
  const quiet = kernel?.snapshot?.running === null && kernel.busy_since_ms === null;
  if (kernel === null || !quiet || kernel.link !== 'on' || !kernel.connected || kernel.dead || state.folded.has('day')) {
    return false;
  }
  const { answer, received_ms, asked_ms } = kernel.outlook;
  if (asked_ms !== null) {
    return now_ms - asked_ms > AGAIN_MS;
  }
  const elsewhere = answer !== null && answer.now.region !== kernel.snapshot?.intensity.region;
  return answer === null || elsewhere || now_ms - received_ms > (answer.asking ? SOON_MS : OLD_MS);
}

/** What the grid carries now, from whatever was told last. */
export function gridNow(kernel: Kernel | null): Intensity | null {
  const snapshot = kernel?.snapshot ?? null;
  const answer = kernel?.outlook.answer ?? null;
  return answer !== null && (snapshot === null || answer.as_of > snapshot.sent_at) ? answer.now : snapshot?.intensity ?? null;
}
