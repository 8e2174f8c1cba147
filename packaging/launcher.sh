#!/bin/sh
# Starts one of the programs of bus1-bridge with the Node.js that it was installed for. What steers Node is kept from it:
# NODE_OPTIONS of a session is about the programs of its user, and can load code into a bus, or keep it from starting.
# What the caller's environment held is handed on in BUS1_CALLER_ENVIRONMENT, for the services that the bus starts
# (bridge/control/caller-environment.ts); so are variables that a shell would drop because of their names.
set -f
self=$0
if [ -h "$self" ]; then self=$(readlink -f "$self"); fi
case $self in */*) here=${self%/*} ;; *) here=. ;; esac

kept='^(NODE_|UV_|OPENSSL_|SSL_CERT_|V8_|WATCH_REPORT_DEPENDENCIES=|OLDPWD=|PWD=|SHLVL=|_=)|^[^=]*[^A-Za-z0-9_=]'
BUS1_CALLER_ENVIRONMENT=$(grep -zE "$kept" "/proc/$$/environ" 2>/dev/null | base64 -w0)
BUS1_LAUNCHER=sh
export BUS1_CALLER_ENVIRONMENT BUS1_LAUNCHER
for word in $(export -p); do
  case $word in
    NODE_ENV=* | NODE_VERSION=* | NODE_HOME=*) ;;
    NODE_*=* | UV_*=* | OPENSSL_*=* | SSL_CERT_*=* | V8_*=* | WATCH_REPORT_DEPENDENCIES=*)
      name=${word%%=*}
      case $name in *[!A-Za-z0-9_]*) ;; *) unset "$name" ;; esac ;;
  esac
done

node=
case $here in
  */lib/node_modules/*) node=${here%%/lib/node_modules/*}/bin/node ;;
  # A distribution's package depends on the distribution's Node.js.
  /usr/lib/bus1-bridge/*) node=/usr/bin/node ;;
esac
if ! [ -x "$node" ]; then node=$(command -v node); fi
if [ -z "$node" ]; then
  echo "${self##*/}: there is no Node.js on PATH; install version 20.19 or later" >&2
  exit 1
fi
limit=$(ulimit -v)
# By default malloc reserves 64 MiB of address space for each thread. BUS1_OWN_VARIABLES: services do not get it.
if [ "$limit" != unlimited ] && [ -z "$MALLOC_ARENA_MAX" ]; then
  MALLOC_ARENA_MAX=1 BUS1_OWN_VARIABLES=MALLOC_ARENA_MAX
  export MALLOC_ARENA_MAX BUS1_OWN_VARIABLES
fi
data=$(ulimit -d)
if [ "$limit$data" != unlimitedunlimited ] && ! "$node" -e 0 2>/dev/null; then
  limits="$limit KiB of address space (ulimit -v, LimitAS=)"
  if [ "$limit" = unlimited ]; then limits="$data KiB of data (ulimit -d, LimitDATA=)"; fi
  echo "${self##*/}: Node.js does not start under a limit of $limits; raise it" >&2
  exit 1
fi
trap '' USR1
exec "$node" "$here/${self##*/}.js" "$@"
