/** Which of its states the panel is in; every one has words, none is blank. */

import type { Kernel, State } from './store';
import { kernelOf } from './store';

export type Screen =
  | 'no-notebook'
  | 'no-kernel'
  | 'other-language'
  | 'waiting' // asked, or about to ask: a second of skeleton, then words
  | 'busy' // the kernel runs something and cannot answer
  | 'off'
  | 'missing'
  | 'starting'
  | 'failed'
  | 'other-version'
  | 'dead'
  | 'live';

/** What a live panel is doing. */
export type Mood = 'metering' | 'idle' | 'paused' | 'stalled' | 'lost' | 'ended';

const SKELETON_MS = 1000;
const STALLED_MS = 3000;

export function screen(state: State): Screen {
  const { subject } = state;
  if (subject === null) {
    return 'no-notebook';
  }
  if (!subject.python) {
    return 'other-language';
  }
  const kernel = kernelOf(state);
  if (kernel === null) {
    return subject.kernel_id === null ? 'no-kernel' : 'waiting';
  }
  if (kernel.snapshot !== null) {
    return 'live';
  }
  if (kernel.dead) {
    return 'dead';
  }
  if (kernel.other_version !== null) {
    return 'other-version';
  }
  switch (kernel.link) {
    case 'off':
    case 'missing':
    case 'starting':
    case 'failed':
      return kernel.link;
    default:
      return kernel.busy_since_ms !== null ? 'busy' : 'waiting';
  }
}

/** Whether an empty frame may still stand for an answer. */
export const isSkeleton = (state: State): boolean =>
  screen(state) === 'waiting' && state.now_ms - (kernelOf(state)?.since_ms ?? state.now_ms) < SKELETON_MS;

/**
 * Milliseconds without a sample, as far as that is too long; else 0. Of a running cell since the last one; and of a
 * kernel that is busy since it became so: a call that holds Python's lock from its first moment lets no sample out.
 */
export function stalledMs(kernel: Kernel, now_ms: number): number {
  const { snapshot, received_ms, busy_since_ms } = kernel;
  if (snapshot === null || !snapshot.metering) {
    return 0;
  }
  const since_ms = snapshot.running !== null ? received_ms : busy_since_ms === null ? now_ms : Math.max(received_ms, busy_since_ms);
  const age_ms = now_ms - since_ms;
  return age_ms >= Math.max(STALLED_MS, 4000 * snapshot.period_s) ? age_ms : 0;
}

export function mood(kernel: Kernel, now_ms: number): Mood {
  if (kernel.dead) {
    return 'ended';
  }
  if (!kernel.connected) {
    return 'lost';
  }
  if (stalledMs(kernel, now_ms) > 0) {
    return 'stalled';
  }
  if (kernel.snapshot?.running) {
    return 'metering';
  }
  return kernel.snapshot?.metering === false ? 'paused' : 'idle';
}
