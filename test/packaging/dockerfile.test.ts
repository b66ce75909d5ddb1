import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  all,
  copies,
  execForm,
  healthCheck,
  imageStage,
  last,
  letThrough,
  parseDockerfile,
  ROOT,
  repositoryStages,
} from './dockerfile.ts';

const stages = repositoryStages();
const image = imageStage(stages);
const manifest = z
  .object({
    files: z.array(z.string()),
    engines: z.object({ node: z.string() }),
    scripts: z.record(z.string(), z.string()),
    dependencies: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')));

describe('what goes into the image', () => {
  const fromRepository = stages.flatMap((stage) => copies(stage).filter((copy) => copy.stage === null));
  const copied = new Set(fromRepository.flatMap(({ sources }) => sources));

  test('everything that is copied from the repository is there, and reaches the builder', () => {
    const missing = [...copied].filter((source) => !existsSync(join(ROOT, source)));
    const ignored = [...copied].filter((source) => !letThrough().includes(source.split('/')[0] ?? ''));
    expect({ missing, ignored }).toEqual({ missing: [], ignored: [] });
    expect(copied.size).toBeGreaterThan(8);
  });

  test('nothing reaches the builder that no stage copies', () => {
    expect(letThrough().filter((name) => !copied.has(name))).toEqual([]);
  });

  test('what is copied from a stage comes from an earlier one', () => {
    const names = stages.map(({ name }) => name);
    for (const [position, stage] of stages.entries()) {
      for (const { stage: from } of copies(stage)) {
        if (from !== null) expect(names.slice(0, position)).toContain(from);
      }
    }
  });

  test('the image holds what the npm package holds', () => {
    const inImage = new Set(
      copies(image).flatMap(({ sources }) => sources.map((source) => source.replace('/build/', ''))),
    );
    // What is only read by people stays out; a README in an image has no reader.
    const wanted = manifest.files.filter((name) => name !== 'README.md');
    expect(wanted.filter((name) => !inImage.has(name))).toEqual([]);
  });

  test('sources, tests and the demo stay out of the image', () => {
    const destinations = copies(image).map(({ to }) => to);
    expect(destinations).not.toContain('./src');
    expect(copies(image).flatMap(({ sources }) => sources)).not.toContain('demo');
  });

  test('development packages are pruned before the image takes node_modules', () => {
    const source = copies(image).find(({ to }) => to === './node_modules')?.stage;
    const stage = stages.find(({ name }) => name === source);
    expect(stage === undefined ? [] : all(stage, 'RUN').at(-1)).toContain('npm prune --omit=dev');
  });

  test('nothing the gateway imports is a development package', () => {
    const wrong = readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /(?<!\.d)\.ts$/.test(entry.name))
      .flatMap((entry) => {
        const path = join(entry.parentPath, entry.name);
        return packagesOf(readFileSync(path, 'utf8'))
          .filter((name) => !Object.hasOwn(manifest.dependencies, name))
          .map((name) => `${path.slice(ROOT.length + 1)} imports ${name}`);
      });
    expect(wrong).toEqual([]);
  });
});

describe('how the image runs', () => {
  test('every base image is a Node that package.json accepts', () => {
    const [, major] = /^>=(\d+)\./.exec(manifest.engines.node) ?? [];
    const names = stages.map(({ name }) => name);
    const bases = stages.map(({ from }) => from).filter((from) => !names.includes(from));
    expect(new Set(bases)).toEqual(new Set([`node:${major}-slim`]));
  });

  test('every npm script that is run exists', () => {
    const scripts = stages.flatMap((stage) =>
      all(stage, 'RUN').flatMap((text) => [...text.matchAll(/npm run (\S+)/g)]),
    );
    expect(scripts.length).toBeGreaterThan(0);
    for (const [, script = ''] of scripts) expect(manifest.scripts).toHaveProperty(script);
  });

  test('every stage that is run is somebody other than root', () => {
    for (const stage of stages) {
      if (all(stage, 'ENTRYPOINT').length > 0) expect(last(stage, 'USER')).not.toMatch(/^(root|0)\b/);
    }
    expect(last(image, 'USER')).toBe('10001:10001');
  });

  test('the gateway gets signals itself: entry point, command and health check are in exec form', () => {
    expect(execForm(last(image, 'ENTRYPOINT'))).toEqual(['/opt/sallyport/bin/sallyport']);
    expect(execForm(last(image, 'CMD'))[0]).toBe('serve');
    expect(healthCheck(image)[0]).toBe('node');
  });

  test('the entry point may be executed, and replaces itself by node', () => {
    const script = join(ROOT, 'bin/sallyport');
    expect(statSync(script).mode & 0o111).toBe(0o111);
    expect(readFileSync(script, 'utf8').trimEnd().split('\n').at(-1)).toMatch(/^exec /);
  });

  test('the health check asks a file of the image and a port that is exposed', () => {
    const [, script = '', address = ''] = healthCheck(image);
    expect(existsSync(join(ROOT, script.replace(`${last(image, 'WORKDIR')}/`, '')))).toBe(true);
    expect(last(image, 'EXPOSE').split(' ')).toContain(new URL(address).port);
  });

  test('the directory that keeps state is a volume that belongs to whoever runs', () => {
    const [uid, gid] = last(image, 'USER').split(':');
    expect(last(image, 'RUN')).toContain(`install -d -o ${uid} -g ${gid} -m 0700 ${last(image, 'VOLUME')}`);
  });
});

describe('reading a Dockerfile', () => {
  test('continued lines are one instruction, and comments are none', () => {
    const [stage] = parseDockerfile('FROM a AS b\n# no\nRUN one \\\n && two\n');
    expect(stage).toEqual({ name: 'b', from: 'a', instructions: [{ name: 'RUN', text: 'one && two' }] });
  });

  test.each([
    ['an instruction before FROM', 'RUN x'],
    ['a line that is none', 'FROM a\nrun x'],
  ])('%s is an error', (_, text) => {
    expect(() => parseDockerfile(text)).toThrow();
  });

  test('a command in shell form is an error', () => {
    expect(() => execForm('node server.js')).toThrow();
  });
});

/** Packages that a source needs at run time. */
function packagesOf(source: string): readonly string[] {
  const text = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
  const values = text.replace(/^(import|export) type [^;]*;/gm, '');
  return [...values.matchAll(/(?:^import |from |import\(|require(?:\.resolve)?\()\s*'([^'.][^']*)'/gm)]
    .map(([, name = '']) => name)
    .filter((name) => !isBuiltin(name))
    .map((name) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    );
}
