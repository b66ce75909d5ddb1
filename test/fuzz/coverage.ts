import { type Profiler, Session } from 'node:inspector';

/**
 * Which blocks of the watched sources have run, by V8's precise block coverage.
 *
 * V8 reports nested ranges and merges those with equal counts, so ranges cannot be compared from run to run. Characters
 * can: each script is painted, and something new was reached if a character was painted for the first time.
 */
export class Coverage {
  private readonly session = new Session();
  private readonly sources: readonly string[];
  private readonly painted = new Map<string, Uint8Array>();
  private readonly starts = new Map<string, Set<number>>();

  constructor(sources: readonly string[]) {
    this.sources = sources;
    this.session.connect();
    this.post('Profiler.enable');
    this.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Forgets what ran since the last time. */
  drop(): void {
    this.post('Profiler.takePreciseCoverage');
  }

  /** Did what ran since the last time reach anything new? `learn`: it is new no more. */
  reached(learn: boolean): boolean {
    let anything = false;
    for (const script of this.take()) {
      if (!script.url.startsWith('file:') || !this.sources.some((source) => script.url.includes(source))) continue;
      for (const { ranges } of script.functions) anything = this.paint(script.url, ranges, learn) || anything;
    }
    return anything;
  }

  /** Blocks known to begin somewhere that has run. */
  get blocks(): number {
    let blocks = 0;
    for (const [url, starts] of this.starts) {
      const painted = this.painted.get(url);
      for (const start of starts) blocks += painted?.[start] ?? 0;
    }
    return blocks;
  }

  /** A function's ranges come outermost first; an inner one overrules what it lies in. */
  private paint(url: string, ranges: readonly Profiler.CoverageRange[], learn: boolean): boolean {
    const outer = ranges[0];
    if (outer === undefined) return false;
    const ran = new Uint8Array(outer.endOffset - outer.startOffset);
    for (const range of ranges) {
      ran.fill(range.count > 0 ? 1 : 0, range.startOffset - outer.startOffset, range.endOffset - outer.startOffset);
    }
    const painted = this.room(url, outer.endOffset);
    const starts = this.starts.get(url) ?? new Set<number>();
    this.starts.set(url, starts);
    for (const range of ranges) starts.add(range.startOffset);
    let anything = false;
    for (let at = 0; at < ran.length; at++) {
      const offset = outer.startOffset + at;
      if (ran[at] === 0 || painted[offset] === 1) continue;
      anything = true;
      if (!learn) return true;
      painted[offset] = 1;
    }
    return anything;
  }

  private room(url: string, length: number): Uint8Array {
    const painted = this.painted.get(url) ?? new Uint8Array(0);
    if (painted.length >= length) return painted;
    const larger = new Uint8Array(length * 2);
    larger.set(painted);
    this.painted.set(url, larger);
    return larger;
  }

  private take(): readonly Profiler.ScriptCoverage[] {
    let result: readonly Profiler.ScriptCoverage[] = [];
    // Within one thread the inspector answers before `post` returns.
    this.session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      result = answer.result;
    });
    return result;
  }

  private post(method: 'Profiler.enable' | 'Profiler.takePreciseCoverage'): void;
  private post(method: 'Profiler.startPreciseCoverage', parameters: Profiler.StartPreciseCoverageParameterType): void;
  private post(method: string, parameters: object = {}): void {
    this.session.post(method, parameters, (error) => {
      if (error !== null) throw error;
    });
  }
}
