import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { buildProgram } from '../../src/cli/program.ts';
import { expectGenerated } from '../config/generated.ts';
import { collectingIo, NO_ROOMS } from './io.ts';

const program = buildProgram(collectingIo().io, NO_ROOMS, () => {});

function leaves(
  command: Command,
  path: readonly string[] = [],
): readonly { readonly name: string; readonly command: Command }[] {
  if (command.commands.length === 0) return [{ name: path.join(' '), command }];
  return command.commands.flatMap((inner) => leaves(inner, [...path, inner.name()]));
}

/** The example at the end of a command's help. */
function exampleOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => void (text += part) });
  command.outputHelp();
  return /\nExample:\n([\s\S]*)$/.exec(text)?.[1]?.replace(/^ {2}/gm, '').trimEnd() ?? '';
}

const commands = leaves(program);

describe('docs/cli.md', () => {
  test('describes every command with its options and an example', () => {
    const sections = commands.map(({ name, command }) => {
      const usage = `sallyport ${name} ${command.registeredArguments
        .map((argument) => {
          const shown = `${argument.name()}${argument.variadic ? '…' : ''}`;
          return argument.required ? `<${shown}>` : `[${shown}]`;
        })
        .join(' ')}`.trimEnd();
      const options = command.options.map(({ flags, description, defaultValue }) => {
        const standing = defaultValue === undefined || defaultValue === '' ? '' : ` Default ${defaultValue}.`;
        return `| \`${flags}\` | ${description}${standing} |\n`;
      });
      const table = options.length === 0 ? '' : `\n| option | |\n|---|---|\n${options.join('')}`;
      return `### ${usage}\n\n${command.description()}\n${table}\n\`\`\`console\n${exampleOf(command)}\n\`\`\`\n`;
    });
    expectGenerated('cli.md', 'commands', `\n${sections.join('\n')}\n`);
  });
});

test('every command has an example that is its own', () => {
  for (const { name, command } of commands) expect(exampleOf(command)).toContain(`sallyport ${name}`);
});

test('every command of this version is there', () => {
  expect(commands.map(({ name }) => name).sort()).toEqual(
    [
      ...['serve', 'demo', 'init', 'check', 'whoami', 'targets', 'revoke', 'completion'],
      ...['token create', 'token list', 'token revoke'],
      ...['sessions ls', 'sessions show', 'sessions tail', 'sessions replay', 'sessions kill'],
      ...['requests ls', 'requests show', 'requests approve', 'requests deny'],
      ...['policy test', 'policy explain', 'policy observed', 'audit verify', 'audit checkpoint'],
    ].sort(),
  );
});
