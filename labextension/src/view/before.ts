/** Before you run: hardware, minutes and place in; grams with their range, and the same run elsewhere and later, out. */

import type { Ahead, AheadForm } from './ahead';
import { questionOf } from './ahead';
import type { Block, Context } from './block';
import { h, say, set, show } from './dom';
import { courseWord } from './facts';
import { fold } from './fold';
import type { EstimateAnswer } from './protocol';
import type { State } from './store';
import { kernelOf } from './store';

const SUGGESTED = ['H100', 'A100 80GB', 'L4', 'T4', 'RTX 4090', 'data-centre GPU', 'desktop GPU', 'laptop GPU'];
let number = 0;

/** A number, its mark and its unit stay on one line. */
const whole = (text: string): string => text.replace(/ /g, '\u00a0');

export function beforeYouRun(context: Context): Block {
  const { t, act, dispatch } = context;
  number += 1;
  const list = `jc-hardware-${number}`;
  const field = (name: keyof AheadForm, label: string, attributes: Readonly<Record<string, string | number>>): readonly [HTMLElement, HTMLInputElement] => {
    const input = h('input', { class: 'jc-input', autocomplete: 'off', spellcheck: 'false', ...attributes });
    input.addEventListener('input', () => dispatch({ type: 'ahead-form', form: { [name]: input.value } }));
    return [h('label', { class: `jc-field jc-field-${name}` }, h('span', { class: 'jc-muted' }, label), input), input];
  };
  const [gpuField, gpu] = field('gpu', t.__('hardware'), { type: 'text', maxlength: 60, placeholder: t.__('this machine'), list });
  const [countField, count] = field('n_gpu', t.__('how many'), { type: 'number', min: 1, step: 1 });
  const [minutesField, minutes] = field('minutes', t.__('minutes'), { type: 'text', inputmode: 'decimal', maxlength: 12 });
  const [regionField, region] = field('region', t.__('region'), { type: 'text', maxlength: 60 });
  const inputs = { gpu, n_gpu: count, minutes, region };
  const submit = h('button', { type: 'submit', class: 'jc-button jc-ask' }, t.__('Estimate'));
  const form = h(
    'form',
    { class: 'jc-ahead', 'aria-label': t.__('Before you run') },
    gpuField,
    countField,
    minutesField,
    regionField,
    submit,
    h('datalist', { id: list }, ...SUGGESTED.map(value => h('option', { value })))
  );
  const total = h('b', { class: 'jc-aheadtotal' });
  const range = h('span', { class: 'jc-muted jc-aheadrange' });
  const compared = h('p', { class: 'jc-compared' });
  const why = h('p', { class: 'jc-muted jc-why' });
  const answerBox = h('div', { class: 'jc-aheadanswer' }, h('p', { class: 'jc-aheadsum' }, total, ' ', range), compared, why);
  const note = h('p', { class: 'jc-aheadnote jc-muted', role: 'status' });
  const section = fold(context, 'ahead', [t.__('Before you run')], [form, answerBox, note]);

  let state: Ahead | null = null;
  form.addEventListener('submit', event => {
    event.preventDefault();
    if (state === null) {
      return;
    }
    const question = questionOf(state.form);
    if (typeof question === 'string') {
      inputs[question].setAttribute('aria-invalid', 'true');
      inputs[question].focus();
    } else {
      act({ type: 'ahead', question });
    }
  });

  let drawn: EstimateAnswer | null = null;
  const update = (all: State): void => {
    section.update(all);
    show(section.element, context.offers.has('ahead'));
    state = all.ahead;
    const kernel = kernelOf(all);
    const reachable = kernel?.link === 'on' && !kernel.dead;
    for (const name of Object.keys(inputs) as (keyof AheadForm)[]) {
      if (inputs[name].value !== state.form[name]) {
        inputs[name].value = state.form[name];
      }
    }
    const wrong = questionOf(state.form);
    (['minutes', 'n_gpu'] as const).filter(name => name !== wrong).forEach(name => set(inputs[name], 'aria-invalid', null));
    show(countField, state.form.gpu.trim() !== '');
    set(region, 'placeholder', kernel?.snapshot?.intensity.region ?? t.__('here'));
    set(submit, 'disabled', !reachable);
    const words = noteOf(context, state, reachable);
    show(note, words !== null);
    say(note, words ?? '');
    show(answerBox, state.answer !== null);
    set(answerBox, 'data-stale', state.asked === 'no' ? null : 'true');
    if (state.answer !== null && state.answer !== drawn) {
      drawn = state.answer;
      draw(drawn);
    }
  };

  const draw = (answer: EstimateAnswer): void => {
    const { f } = context;
    const grams = (value: number): string => {
      const amount = f.grams(value, 'assumed', false);
      return whole(`${amount.number} ${amount.unit}`);
    };
    say(total, grams(answer.operational_gco2e.likely));
    say(
      range,
      t.__('%1 · %2', whole(f.range(answer.operational_gco2e, 'g')), whole(f.quantity(answer.energy_kwh.likely, 'kWh', 'assumed')))
    );
    const { elsewhere, later } = answer;
    const there = t.__('in %1 %2', elsewhere.name, grams(elsewhere.operational_gco2e));
    const then =
      later === null
        ? null
        : later.worth_waiting
          ? t.__('from %1 %2', f.time(later.start), grams(later.operational_gco2e))
          : t.__('from %1 %2, not worth the wait', f.time(later.start), grams(later.operational_gco2e));
    say(compared, then === null ? there : t.__('%1 · %2', there, then));
    const more = [
      t.__('%1, %2 in %3', answer.what, f.duration(answer.minutes * 60), answer.name),
      answer.basis,
      t.__('the range hangs most on: %1', answer.dominant),
      ...(later === null ? [] : [t.__('the later start by: %1', courseWord(context, later.status))]),
      ...(answer.embodied_gco2e === null ? [] : [t.__('making of the hardware %1 more', grams(answer.embodied_gco2e))]),
      ...(answer.water_l === null ? [] : [t.__('water %1', whole(f.quantity(answer.water_l, 'l', 'assumed')))])
    ];
    say(why, more.join(' · '));
  };
  return { element: section.element, update };
}

function noteOf({ t }: Context, { asked, problem, answer }: Ahead, reachable: boolean): string | null {
  if (problem !== null) {
    return problem === '' ? t.__('The kernel did not answer.') : t.__('No estimate: %1', problem);
  }
  if (asked === 'later') {
    return t.__('After the running cell.');
  }
  if (asked === 'now') {
    return t.__('Estimating …');
  }
  return reachable || answer !== null ? null : t.__('A metered kernel answers this; none runs here.');
}
