/** How the C library words the reasons for which a program cannot be started (strerror(3)). */
const TEXTS: Readonly<Record<string, string>> = {
  E2BIG: 'Argument list too long',
  EACCES: 'Permission denied',
  EAGAIN: 'Resource temporarily unavailable',
  EINVAL: 'Invalid argument',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ENFILE: 'Too many open files in system',
  ENOENT: 'No such file or directory',
  ENOEXEC: 'Exec format error',
  ENOMEM: 'Cannot allocate memory',
  ENOTDIR: 'Not a directory',
  EPERM: 'Operation not permitted',
  ETXTBSY: 'Text file busy',
};

/** The text for an error code such as `ENOENT`; the code itself if it is a rare one. */
export function execErrnoText(code: string): string {
  return TEXTS[code] ?? code;
}

/**
 * Whether a code says that no process could be made, as opposed to that the program cannot be run.
 */
export function isForkErrno(code: string): boolean {
  return ['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM'].includes(code);
}
