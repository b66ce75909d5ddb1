/** Something that takes bytes from strangers. */
export interface Target {
  readonly name: string;
  /** Source files whose blocks count, by a part of their path. */
  readonly sources: readonly string[];
  /** How lengths stand in the input, so that a mutation can put them right again. */
  readonly framing: 'tagged' | 'startup' | 'none';
  /** Words that mean something here. */
  readonly dictionary: readonly string[];
  seeds(): readonly Buffer[];
  /** Reads the input. Throws whatever is not allowed: an error that is no refusal, a broken promise. */
  run(input: Buffer): void;
}
