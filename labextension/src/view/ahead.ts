/** What the reader asks before a run, and what came of it. */

import type { AskEstimate, EstimateAnswer } from './protocol';
import { VERSION } from './protocol';

/** The form as it is written; empty hardware is the kernel's own machine, an empty region its own place. */
export interface AheadForm {
  readonly gpu: string;
  readonly n_gpu: string;
  readonly minutes: string;
  readonly region: string;
  /** The run may stop and go on. */
  readonly pauses: boolean;
}

export interface Ahead {
  readonly form: AheadForm;
  readonly answer: EstimateAnswer | null;
  /** `later`: the kernel runs a cell and is asked when it has ended. */
  readonly asked: 'no' | 'now' | 'later';
  /** Why there is no answer, in words; empty where the kernel kept silent. */
  readonly problem: string | null;
}

export type AheadEvent =
  | { readonly type: 'ahead-form'; readonly form: Partial<AheadForm> }
  | { readonly type: 'ahead-asked'; readonly asked: Ahead['asked'] }
  | { readonly type: 'ahead'; readonly answer: EstimateAnswer }
  | { readonly type: 'ahead-problem'; readonly problem: string | null };

export const noAhead: Ahead = {
  form: { gpu: '', n_gpu: '1', minutes: '10', region: '', pauses: false },
  answer: null,
  asked: 'no',
  problem: null
};

export function ahead(state: Ahead, event: AheadEvent): Ahead {
  switch (event.type) {
    case 'ahead-form':
      return { ...state, form: { ...state.form, ...event.form } };
    case 'ahead-asked':
      return { ...state, asked: event.asked, problem: null };
    case 'ahead':
      return { ...state, answer: event.answer, asked: 'no', problem: null };
    case 'ahead-problem':
      return { ...state, answer: null, asked: 'no', problem: event.problem ?? '' };
  }
}

/** The question that a form asks, or the name of the field that cannot be. */
export function questionOf(form: AheadForm): AskEstimate | 'minutes' | 'n_gpu' {
  const minutes = Number(form.minutes.trim().replace(',', '.'));
  const gpu = form.gpu.trim() || null;
  const n_gpu = gpu === null ? 1 : Number(form.n_gpu);
  if (!(minutes > 0 && Number.isFinite(minutes))) {
    return 'minutes';
  }
  if (!(n_gpu > 0 && Number.isFinite(n_gpu))) {
    return 'n_gpu';
  }
  return { v: VERSION, ask: 'estimate', gpu, n_gpu, minutes, region: form.region.trim() || null, interruptible: form.pauses };
}
