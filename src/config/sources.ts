import { dirname, isAbsolute, join, relative } from 'node:path';
import type { z } from 'zod';
import { type ConfigDocument, readDocument } from './document.ts';
import type { ConfigFiles } from './files.ts';
import { expandGlob, hasWildcard } from './glob.ts';
import type { Problem } from './problem.ts';
import { type ConfigText, configSchema, includedSchema } from './schema.ts';
import { errorCode } from './secret.ts';
import { type DefaultsText, defaultsEntry, type TargetEntryText, targetEntry } from './target-schema.ts';
import { validate } from './validate.ts';

/** A line of the configuration with the place it comes from: paths in it are relative to that file. */
export interface Sourced<Value> {
  readonly value: Value;
  readonly document: ConfigDocument;
  readonly path: readonly PropertyKey[];
  readonly directory: string;
}

export interface Sources {
  readonly main: Sourced<Omit<ConfigText, 'targets' | 'defaults' | 'policies'>> | null;
  readonly targets: readonly Sourced<TargetEntryText>[];
  readonly defaults: readonly Sourced<DefaultsText>[];
  /** Absolute paths of policy files. */
  readonly policies: readonly string[];
  readonly files: readonly string[];
  readonly directories: readonly string[];
  /** Absolute patterns with wildcards. */
  readonly patterns: readonly string[];
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** Reads the file and everything it includes, and checks the shape of each line. */
export function readSources(path: string, files: ConfigFiles): Sources {
  const reader = new Reader(path, files);
  reader.readMain(path);
  return reader.sources();
}

class Reader {
  readonly #files: ConfigFiles;
  readonly #base: string;
  #main: Sources['main'] = null;
  readonly #targets: Sourced<TargetEntryText>[] = [];
  readonly #defaults: Sourced<DefaultsText>[] = [];
  readonly #policies = new Set<string>();
  readonly #read = new Set<string>();
  readonly #directories = new Set<string>();
  readonly #patterns = new Set<string>();
  readonly #problems: Problem[] = [];
  readonly #warnings: Problem[] = [];

  constructor(path: string, files: ConfigFiles) {
    this.#files = files;
    this.#base = dirname(path);
  }

  sources(): Sources {
    return {
      main: this.#main,
      targets: this.#targets,
      defaults: this.#defaults,
      policies: [...this.#policies],
      files: [...this.#read, ...this.#policies],
      directories: [...this.#directories],
      patterns: [...this.#patterns],
      problems: this.#problems,
      warnings: this.#warnings,
    };
  }

  readMain(path: string): void {
    const document = this.#open(path);
    if (document === null) return;
    const text = asMapping(document.value);
    const checked = validate(mainSchema, text, document);
    if (checked.outcome === 'invalid') this.#problems.push(...checked.problems);
    else {
      const { targets: _targets, defaults: _defaults, policies: _policies, ...value } = checked.value;
      this.#main = { value, document, path: [], directory: this.#base };
    }
    // The lists are read even where something else is wrong: every problem at once.
    if (typeof text !== 'object' || text === null || Array.isArray(text)) return;
    this.#readLists(text, document, this.#base);
    if ('include' in text && Array.isArray(text.include)) {
      this.#eachFile(text.include, ['include'], document, this.#base, (file) => this.#readIncluded(file));
    }
    if ('policies' in text && isGitSource(text.policies)) {
      this.#problems.push(document.problemAt(['policies'], 'policies from git are not supported by this version'));
    }
  }

  #readLists(text: object, document: ConfigDocument, directory: string): void {
    if ('targets' in text) this.#readTargets(text.targets, ['targets'], document, directory, true);
    if ('defaults' in text && Array.isArray(text.defaults)) this.#readDefaults(text.defaults, document, directory);
    if ('policies' in text && Array.isArray(text.policies)) {
      this.#eachFile(text.policies, ['policies'], document, directory, (file) => this.#policies.add(file));
    }
  }

  #readTargets(
    list: unknown,
    path: readonly PropertyKey[],
    document: ConfigDocument,
    directory: string,
    mayInclude: boolean,
  ): void {
    const items = isInclude(list) ? [list] : list;
    if (items === null || items === undefined) return;
    if (!Array.isArray(items)) {
      this.#problems.push(document.problemAt(path, 'expected a list of targets, or include: [files]'));
      return;
    }
    items.forEach((item: unknown, index) => {
      const here = isInclude(list) ? path : [...path, index];
      if (typeof item === 'string' || isInclude(item)) {
        const patterns: unknown = typeof item === 'string' ? [item] : item.include;
        if (!mayInclude) this.#problems.push(document.problemAt(here, 'an included file cannot include another'));
        else if (!Array.isArray(patterns))
          this.#problems.push(document.problemAt([...here, 'include'], 'expected a list of files'));
        else {
          const at = typeof item === 'string' ? here : [...here, 'include'];
          this.#eachFile(
            patterns,
            at,
            document,
            directory,
            (file) => this.#readIncluded(file),
            typeof item !== 'string',
          );
        }
        return;
      }
      const checked = validate(targetSchemaFor(item), item, document, here);
      if (checked.outcome === 'invalid') this.#problems.push(...checked.problems);
      else this.#targets.push({ value: checked.value, document, path: here, directory });
    });
  }

  #readDefaults(list: readonly unknown[], document: ConfigDocument, directory: string): void {
    list.forEach((item, index) => {
      const path = ['defaults', index];
      const checked = validate(defaultsEntry, item, document, path);
      if (checked.outcome === 'invalid') this.#problems.push(...checked.problems);
      else this.#defaults.push({ value: checked.value, document, path, directory });
    });
  }

  /** A file of a team: a list of targets, or a mapping with targets, defaults and policies. */
  #readIncluded(path: string): void {
    if (this.#read.has(path)) return;
    const document = this.#open(path);
    if (document === null) return;
    const directory = dirname(path);
    if (Array.isArray(document.value)) {
      this.#readTargets(document.value, [], document, directory, false);
      return;
    }
    const text = asMapping(document.value);
    const checked = validate(includedShape, text, document);
    if (checked.outcome === 'invalid') this.#problems.push(...checked.problems);
    if (typeof text === 'object' && text !== null) {
      if ('targets' in text) this.#readTargets(text.targets, ['targets'], document, directory, false);
      this.#readLists({ ...text, targets: undefined }, document, directory);
    }
  }

  #eachFile(
    patterns: readonly unknown[],
    path: readonly PropertyKey[],
    document: ConfigDocument,
    directory: string,
    use: (file: string) => void,
    indexed = true,
  ): void {
    patterns.forEach((pattern, index) => {
      const here = indexed ? [...path, index] : path;
      if (typeof pattern !== 'string') {
        this.#problems.push(document.problemAt(here, 'expected a file or a pattern'));
        return;
      }
      if (hasWildcard(pattern)) this.#patterns.add(isAbsolute(pattern) ? pattern : join(directory, pattern));
      const matches = expandGlob(pattern, directory, this.#files);
      for (const listed of matches.directories) this.#directories.add(listed);
      if (matches.tooMany) this.#problems.push(document.problemAt(here, `${pattern} matches too many files`));
      if (matches.paths.length === 0) {
        if (hasWildcard(pattern)) this.#warnings.push(document.problemAt(here, `${pattern} matches no file`));
        else this.#problems.push(document.problemAt(here, `${pattern} does not exist`));
      }
      for (const file of matches.paths) use(file);
    });
  }

  #open(path: string): ConfigDocument | null {
    const shown = relative(this.#base, path);
    this.#read.add(path);
    let text: string;
    try {
      text = this.#files.read(path);
    } catch (cause) {
      this.#problems.push({
        file: shown,
        line: null,
        column: null,
        path: '',
        message: `cannot be read (${errorCode(cause)})`,
      });
      return null;
    }
    const document = readDocument(shown, text);
    this.#problems.push(...document.problems);
    return document.problems.length > 0 ? null : document;
  }
}

/** An empty file is an empty mapping. */
function asMapping(value: unknown): unknown {
  return value === null || value === undefined ? {} : value;
}

function isInclude(value: unknown): value is { readonly include: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && 'include' in value;
}

function isGitSource(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && 'git' in value;
}

/** The one alternative that the line's protocol names, so that its problems speak of that protocol's keys only. */
function targetSchemaFor(item: unknown): z.ZodType<TargetEntryText> {
  const protocol = typeof item === 'object' && item !== null && 'protocol' in item ? item.protocol : undefined;
  const named = targetEntry.options.find((option) => option.shape.protocol.safeParse(protocol).success);
  return named ?? targetEntry;
}

const anything = configSchema.shape.analyzer;
// The lists are checked line by line, where each stands; here only that the key may be there.
const mainSchema = configSchema.extend({ targets: anything, defaults: anything });
const includedShape = includedSchema.extend({ targets: anything, defaults: anything });
