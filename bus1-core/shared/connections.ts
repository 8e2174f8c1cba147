import { EPOLLET, EPOLLIN, EPOLLRDHUP, type Epoll } from '../linux/index.js';
import type { LinkedChannel } from './linked-channel.js';

/** The connections of a process, and the descriptors that become readable when one has input or is closed. */
export class Connections {
  /** replaced, never changed, because an iteration may close some */
  all: readonly LinkedChannel[] = [];
  private readonly epoll: Epoll;
  private readonly bySocket = new Map<number, LinkedChannel>();
  private readonly byBell = new Map<number, LinkedChannel>();

  constructor(epoll: Epoll) {
    this.epoll = epoll;
  }

  add(connection: LinkedChannel): void {
    const { bell, socket } = connection.channel;
    this.all = [...this.all, connection];
    this.bySocket.set(socket.fd, connection);
    this.byBell.set(bell.fd, connection);
    this.epoll.add(bell.fd, EPOLLIN | EPOLLET);
    this.epoll.add(socket.fd, EPOLLRDHUP | EPOLLET);
  }

  /** To be called before the channel is closed. False when the connection was removed already. */
  remove(connection: LinkedChannel): boolean {
    if (!this.all.includes(connection)) return false;
    const { bell, socket } = connection.channel;
    this.all = this.all.filter((other) => other !== connection);
    this.bySocket.delete(socket.fd);
    this.byBell.delete(bell.fd);
    this.epoll.remove(bell.fd);
    this.epoll.remove(socket.fd);
    return true;
  }

  to(process: number): LinkedChannel | undefined {
    return this.all.find(({ link }) => link.identity.id === process);
  }

  /** Notes an epoll event of `fd`, if that belongs to a connection: a bell was rung, or a socket has hung up. */
  noteEvent(fd: number): void {
    const rung = this.byBell.get(fd);
    if (rung !== undefined) return rung.channel.bell.noteEvent();
    const connection = this.bySocket.get(fd);
    if (connection !== undefined) connection.hasHungUp = true;
  }
}
