/**
 * A bounded memory of the values last asked for. Two generations instead of a list in order of use: a hit changes
 * nothing, so it costs one look-up; what was not asked for during a whole generation is forgotten.
 */
export class Generations<Value> {
  private young = new Map<string, Value>();
  private old = new Map<string, Value>();
  private readonly generation_max: number;

  /** Never holds more than `values_max`. */
  constructor(values_max: number) {
    this.generation_max = Math.max(1, Math.floor(values_max / 2));
  }

  get(key: string): Value | undefined {
    const value = this.young.get(key);
    if (value !== undefined) return value;
    const older = this.old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, value: Value): void {
    if (this.young.size >= this.generation_max && !this.young.has(key)) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, value);
  }

  get size(): number {
    return this.young.size + this.old.size;
  }
}
