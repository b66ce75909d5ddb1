import type { Verdict } from '../../core/verdict.ts';
import { Batch } from './batch.ts';
import type { Gate } from './gate.ts';
import type { Outbox } from './outbox.ts';
import { CANCELLED } from './reasons.ts';
import type { Sender } from './sending.ts';

/** What waits for people, from the first action that has to be asked for until all of them are answered. */
export class Gathering {
  /** Actions that await the same cure, while more of their pipeline comes. */
  batch: Batch | null = null;
  private readonly gate: Gate;
  private readonly out: Outbox;
  private readonly sender: Sender;

  constructor(gate: Gate, out: Outbox, sender: Sender) {
    this.gate = gate;
    this.out = out;
    this.sender = sender;
  }

  /** An action has to be asked for. */
  ask(key: number, release: (verdict: Verdict) => void, dropped: (verdict: Verdict | null) => void): void {
    this.batch ??= new Batch();
    this.batch.ask(key, release, dropped);
  }

  /** Does something in its turn: now, or behind what is being gathered. `dropped`: the pipeline has failed before it. */
  later(run: () => void, dropped: () => void = NOTHING_MORE): void {
    if (this.sender.dropping) dropped();
    else if (this.batch !== null) this.batch.add(run, dropped);
    else run();
  }

  /** The pipeline has failed: nobody has to be asked about the rest of it. */
  drop(): void {
    const { batch } = this;
    if (batch === null) return;
    this.batch = null;
    batch.drop();
    this.out.push({ do: 'withdraw', keys: batch.keys, why: 'cancelled' });
  }

  /** Asks for what was gathered; `resume` once it is answered and sent. */
  file(resume: () => void): void {
    const { batch } = this;
    if (batch === null) {
      resume();
      return;
    }
    this.batch = null;
    const { gate, out, sender } = this;
    gate.close({
      for: 'people',
      batch,
      resume: () => {
        batch.release(() => sender.dropping);
        resume();
      },
    });
    out.push({ do: 'ask', keys: batch.keys, inTransaction: sender.inTransaction });
  }

  verdict(key: number, verdict: Verdict): void {
    const { gate } = this;
    const { wait } = gate;
    if (wait?.for === 'verdict' && wait.key === key) {
      gate.wait = null;
      wait.resume(verdict);
    } else if (wait?.for === 'people') {
      wait.batch.answer(key, verdict);
      if (!wait.batch.answered) return;
      gate.wait = null;
      wait.resume();
    }
  }

  /** Nobody waits for what is being decided any more. `true`: something was. */
  withdraw(why: 'cancelled' | 'client-gone'): boolean {
    const { gate, out } = this;
    const { wait } = gate;
    const keys = wait?.for === 'verdict' ? [wait.key] : wait?.for === 'people' ? wait.batch.keys : [];
    if (keys.length === 0) return false;
    out.push({ do: 'withdraw', keys, why });
    if (why === 'cancelled') for (const key of keys) this.verdict(key, CANCELLED_VERDICT);
    return true;
  }
}

const NOTHING_MORE = () => {};
const CANCELLED_VERDICT: Verdict = { outcome: 'refuse', reason: CANCELLED, entry: null };
