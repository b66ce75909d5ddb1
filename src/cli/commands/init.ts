import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { CommandFailure } from '../failure.ts';
import { example } from '../options.ts';
import { jsonText } from '../print.ts';
import { starterFiles } from '../starter.ts';

export function addInit(program: Command, context: Context): void {
  program
    .command('init [directory]')
    .description('write a commented sallyport.yaml, a first policy and its test')
    .option('--force', 'overwrite files that are there')
    .addHelpText('after', example('sallyport init ./gateway'))
    .action((directory: string | undefined, options: { force?: boolean }, command: Command) => {
      const root = context.path(directory ?? '.');
      const written = starterFiles().map(({ file, text }) => {
        const path = join(root, file);
        mkdirSync(dirname(path), { recursive: true });
        try {
          writeFileSync(path, text, { flag: options.force === true ? 'w' : 'wx' });
        } catch (error) {
          const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST';
          if (exists) throw new CommandFailure('INPUT_INVALID', `${path} is there already`, '--force overwrites it');
          throw error;
        }
        return file;
      });
      if (context.wantsJson(command)) return context.io.stdout(`${jsonText({ written })}\n`);
      for (const file of written) context.io.stdout(`wrote ${file}\n`);
      const config = join(directory ?? '.', 'sallyport.yaml');
      context.io.stdout(`next: name your database in ${config}, then sallyport check --config ${config}\n`);
    });
}
