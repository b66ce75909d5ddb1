/**
 * What the server has under a name: prepared statements, portals. Both are made by messages that may fail or be skipped,
 * and whose answer comes later, so a change is proposed when it is sent and settled when it is answered.
 *
 * The table may hold a name that the server lacks (the server then errs); it never gives another value for a name than the
 * one the server uses. A proposal may be relied on within its own segment, the messages up to a Sync: if it fails, the
 * server skips what relied on it. Beyond the Sync, who asks has to wait.
 */
export class NameTable<T> {
  private readonly slots = new Map<string, Slot<T>>();
  private open = 0;

  get size(): number {
    return this.slots.size;
  }

  /** No proposal awaits its answer. */
  get settled(): boolean {
    return this.open === 0;
  }

  /** `null`: there is none. */
  find(name: string, segment: number): T | null | typeof UNSETTLED {
    const slot = this.slots.get(name);
    if (slot === undefined) return null;
    const last = slot.proposals[slot.proposals.length - 1];
    if (last === undefined) return slot.value;
    return last.segment === segment ? last.value : UNSETTLED;
  }

  /** Something is known of the name, or proposed. */
  has(name: string): boolean {
    return this.slots.has(name);
  }

  /** As far as it is known; for looking up what a text refers to, once everything is settled. */
  known(name: string): T | null {
    return this.slots.get(name)?.value ?? null;
  }

  /** The name will be `value` (`null`: nothing) if the message that says so succeeds. */
  propose(name: string, value: T | null, segment: number): Proposal {
    let slot = this.slots.get(name);
    if (slot === undefined) {
      slot = { value: null, proposals: [] };
      this.slots.set(name, slot);
    }
    const proposal = { value, segment };
    slot.proposals.push(proposal);
    this.open += 1;
    return { settle: (succeeded) => this.settle(name, proposal, succeeded) };
  }

  /** What is already known to have happened. */
  set(name: string, value: T | null): void {
    const slot = this.slots.get(name);
    if (slot !== undefined) slot.value = value;
    else if (value !== null) this.slots.set(name, { value, proposals: [] });
    if (value === null && slot !== undefined && slot.proposals.length === 0) this.slots.delete(name);
  }

  /** The server has dropped all of them. Only while everything is settled. */
  clear(): void {
    if (this.open === 0 && this.slots.size > 0) this.slots.clear();
  }

  private settle(name: string, proposal: Proposed<T>, succeeded: boolean): void {
    const slot = this.slots.get(name);
    const at = slot?.proposals.indexOf(proposal) ?? -1;
    if (slot === undefined || at === -1) return;
    slot.proposals.splice(at, 1);
    this.open -= 1;
    if (succeeded) slot.value = proposal.value;
    if (slot.value === null && slot.proposals.length === 0) this.slots.delete(name);
  }
}

export interface Proposal {
  /** Once: the server has answered, or has skipped the message. */
  settle(succeeded: boolean): void;
}

export const UNSETTLED: unique symbol = Symbol('unsettled');

interface Proposed<T> {
  readonly value: T | null;
  readonly segment: number;
}

interface Slot<T> {
  value: T | null;
  readonly proposals: Proposed<T>[];
}
