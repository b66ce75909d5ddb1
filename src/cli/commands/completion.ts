import { Argument, type Command } from 'commander';
import type { Context } from '../context.ts';
import { example } from '../options.ts';

export function addCompletion(program: Command, context: Context): void {
  program
    .command('completion')
    .description('a completion script for your shell')
    .addArgument(new Argument('<shell>', 'which').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      example(
        'source <(sallyport completion bash)',
        'sallyport completion fish > ~/.config/fish/completions/sallyport.fish',
      ),
    )
    .action((shell: string) => {
      const words = wordTable(program);
      context.io.stdout(shell === 'bash' ? bash(words) : shell === 'zsh' ? zsh(words) : fish(words));
    });
}

interface Words {
  /** `sessions`, `sessions ls`; the program itself is the empty path. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly {
    readonly flag: string;
    readonly description: string;
    readonly takesFile: boolean;
    readonly takesValue: boolean;
  }[];
}

/** What may follow each command, read off the program itself. */
function wordTable(program: Command): readonly Words[] {
  const common = program.options;
  const visit = (command: Command, path: readonly string[]): Words[] => [
    {
      path: path.join(' '),
      commands: command.commands.map((inner) => ({ name: inner.name(), description: inner.description() })),
      options: [...new Set([...command.options, ...common])].flatMap(({ long, description, required, flags }) =>
        long === undefined || long === null
          ? []
          : [{ flag: long, description, takesValue: required, takesFile: /<(file|dir)>/.test(flags) }],
      ),
    },
    ...command.commands.flatMap((inner) => visit(inner, [...path, inner.name()])),
  ];
  return visit(program, []);
}

function bash(table: readonly Words[]): string {
  const cases = table.map(({ path, commands, options }) => {
    const words = [...commands.map(({ name }) => name), ...options.map(({ flag }) => flag)].join(' ');
    return `    ${quote(path)}) words=${quote(words)} ;;\n`;
  });
  return `# sallyport completion for bash: source <(sallyport completion bash)
_sallyport() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path="" word words=""
  case $previous in
    ${fileFlags(table).join('|')}) compopt -o filenames; COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " ${paths(table).join(' ')} " in
      *" \${path:+$path/}$word "*) path=\${path:+$path/}$word ;;
    esac
  done
  case \${path//\\// } in
${cases.join('')}  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _sallyport sallyport
`;
}

function zsh(table: readonly Words[]): string {
  const cases = table.map(({ path, commands, options }) => {
    const words = [
      ...commands.map(({ name, description }) => describe(name, description)),
      ...options.map(({ flag, description }) => describe(flag, description)),
    ];
    return `    ${quote(path)}) words_here=(${words.join(' ')}) ;;\n`;
  });
  return `#compdef sallyport
# sallyport completion for zsh: sallyport completion zsh > "\${fpath[1]}/_sallyport"
_sallyport() {
  local here="" word
  local -a words_here
  case \${words[CURRENT-1]} in
    ${fileFlags(table).join('|')}) _files; return ;;
  esac
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case " ${paths(table).join(' ')} " in
      *" \${here:+$here/}$word "*) here=\${here:+$here/}$word ;;
    esac
  done
  case \${here//\\// } in
${cases.join('')}  esac
  _describe 'sallyport' words_here
}
compdef _sallyport sallyport
`;
}

function fish(table: readonly Words[]): string {
  const lines = table.flatMap(({ path, commands, options }) => {
    const names = path === '' ? [] : path.split(' ');
    const seen = names.map((name) => `__fish_seen_subcommand_from ${name}`);
    const inner = commands.map(({ name }) => name).join(' ');
    const condition = [...seen, ...(inner === '' ? [] : [`not __fish_seen_subcommand_from ${inner}`])].join('; and ');
    const when = condition === '' ? '' : ` -n ${quote(condition)}`;
    return [
      ...commands.map(
        ({ name, description }) => `complete -c sallyport -f${when} -a ${name} -d ${quote(description)}\n`,
      ),
      ...options.map(({ flag, description, takesFile, takesValue }) => {
        const value = takesFile ? ' -r -F' : takesValue ? ' -x' : ' -f';
        return `complete -c sallyport${when} -l ${flag.replace(/^--/, '')}${value} -d ${quote(description)}\n`;
      }),
    ];
  });
  return `# sallyport completion for fish\n${[...new Set(lines)].join('')}`;
}

function fileFlags(table: readonly Words[]): readonly string[] {
  return [
    ...new Set(table.flatMap(({ options }) => options.filter(({ takesFile }) => takesFile).map(({ flag }) => flag))),
  ];
}

/** Paths with slashes, so that one is one word. */
function paths(table: readonly Words[]): readonly string[] {
  return table.filter(({ path }) => path !== '').map(({ path }) => path.replace(/ /g, '/'));
}

function describe(name: string, description: string): string {
  return quote(`${name.replace(/:/g, '\\:')}:${description}`);
}

/** POSIX single quotes: nothing inside them is special. */
function quote(text: string): string {
  return `'${text.replace(/'/g, `'\\''`)}'`;
}
