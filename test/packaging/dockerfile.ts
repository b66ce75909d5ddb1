import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

export interface Stage {
  readonly name: string;
  /** An image, or an earlier stage. */
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

export interface Copy {
  /** The stage copied from; `null`: the repository. */
  readonly stage: string | null;
  readonly sources: readonly string[];
  readonly to: string;
}

/** The stages of a Dockerfile, as far as this repository's one needs (Dockerfile reference, "Format"). */
export function parseDockerfile(text: string): readonly Stage[] {
  const lines = text
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replace(/\s*\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const stages: { name: string; from: string; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === '') throw new Error(`not an instruction: ${line}`);
    if (name === 'FROM') {
      const [, from, as] = /^(\S+)(?:\s+AS\s+(\S+))?$/.exec(rest) ?? [];
      if (from === undefined) throw new Error(`not understood: ${line}`);
      stages.push({ name: as ?? String(stages.length), from, instructions: [] });
      continue;
    }
    const stage = stages.at(-1);
    if (stage === undefined) throw new Error(`${name} before FROM`);
    stage.instructions.push({ name, text: rest });
  }
  return stages;
}

export function repositoryStages(): readonly Stage[] {
  return parseDockerfile(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'));
}

/** What `docker build` makes without a target: the last stage. */
export function imageStage(stages: readonly Stage[]): Stage {
  const last = stages.at(-1);
  if (last === undefined) throw new Error('a Dockerfile without a stage');
  return last;
}

export function copies(stage: Stage): readonly Copy[] {
  return all(stage, 'COPY').map((text) => {
    const words = text.split(/\s+/);
    const flags = words.filter((word) => word.startsWith('--'));
    const paths = words.filter((word) => !word.startsWith('--'));
    const from = flags.find((flag) => flag.startsWith('--from='));
    const to = paths.at(-1);
    if (to === undefined || flags.length > (from === undefined ? 0 : 1))
      throw new Error(`not understood: COPY ${text}`);
    return { stage: from?.slice('--from='.length) ?? null, sources: paths.slice(0, -1), to };
  });
}

/** The texts of all instructions of this name. */
export function all(stage: Stage, name: string): readonly string[] {
  return stage.instructions.filter((instruction) => instruction.name === name).map(({ text }) => text);
}

/** The text of the last instruction of this name, which is the one that counts. */
export function last(stage: Stage, name: string): string {
  const text = all(stage, name).at(-1);
  if (text === undefined) throw new Error(`stage ${stage.name} has no ${name}`);
  return text;
}

/** A command in the exec form, the only one that gets signals. */
export function execForm(text: string): readonly string[] {
  const words: unknown = JSON.parse(text);
  if (!Array.isArray(words) || !words.every((word) => typeof word === 'string'))
    throw new Error(`not exec form: ${text}`);
  return words;
}

/** The command of a HEALTHCHECK, without its options. */
export function healthCheck(stage: Stage): readonly string[] {
  const [, command] = /\bCMD\s+(\[.*\])$/.exec(last(stage, 'HEALTHCHECK')) ?? [];
  if (command === undefined) throw new Error('a HEALTHCHECK without a command');
  return execForm(command);
}

/** Names at the root of the repository that .dockerignore lets through: everything is out, then some are let in. */
export function letThrough(): readonly string[] {
  const lines = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (lines[0] !== '*' || !lines.slice(1).every((line) => /^![\w.-]+$/.test(line))) {
    throw new Error('.dockerignore does not begin with everything');
  }
  return lines.slice(1).map((line) => line.slice(1));
}
