//! The system calls a step is refused (seccomp): those that lead out of the room where Landlock has no say.
//!
//! A key of the kernel's outlives the process that made it. A datagram, or a stream of another protocol than TCP, goes
//! to a port that no rule of Landlock's speaks of. An `io_uring` makes sockets without a system call that could be looked at.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use nix::libc::{self, c_long};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// Calls that are refused whatever they ask for.
const NEVER: &[c_long] = &[
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Kinds of address a socket may have: files, IPv4, IPv6, and the kernel's own news (a C library lists interfaces by it).
const FAMILIES: &[libc::c_int] = &[
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// Kinds of socket of the internet's families that are not streams: datagrams, raw, reliable datagrams, packets in
/// sequence, DCCP. <https://man7.org/linux/man-pages/man2/socket.2.html>
const NOT_STREAMS: &[libc::c_int] = &[
    libc::SOCK_DGRAM,
    libc::SOCK_RAW,
    libc::SOCK_RDM,
    libc::SOCK_SEQPACKET,
    libc::SOCK_DCCP,
];

/// The bits of a socket's kind; those above say how it is opened (`SOCK_CLOEXEC`, `SOCK_NONBLOCK`).
const KIND: u64 = 0xf;

/// Refuses these calls to the calling thread, and to whatever it starts, for good. A refused call is told that it may
/// not (EPERM), as in Docker's default profile, which refuses keys and io_uring too.
///
/// False where the kernel has no seccomp, or this kind of processor is not known.
///
/// A step that was left few processors may not take more: then it may not choose any.
pub fn refuse(few_cores: bool) -> Result<bool> {
    let Ok(processor) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(false);
    };
    let filter = SeccompFilter::new(
        rules(few_cores).context("list the refused system calls")?,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        processor,
    );
    let filter: BpfProgram = filter
        .and_then(TryInto::try_into)
        .context("write the list of refused system calls")?;
    Ok(apply_filter(&filter).is_ok())
}

fn rules(few_cores: bool) -> Result<BTreeMap<c_long, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<_, _> = NEVER.iter().map(|call| (*call, Vec::new())).collect();
    if few_cores {
        rules.insert(libc::SYS_sched_setaffinity, Vec::new());
    }
    rules.insert(libc::SYS_socket, sockets()?);
    Ok(rules)
}

/// One rule for each way to ask for a socket that is refused.
fn sockets() -> Result<Vec<SeccompRule>, BackendError> {
    let argument = |place, operator, value: u64| {
        SeccompCondition::new(place, SeccompCmpArgLen::Dword, operator, value)
    };
    let number = |value: &libc::c_int| u64::from(value.cast_unsigned());
    let other = FAMILIES
        .iter()
        .map(|family| argument(0, SeccompCmpOp::Ne, number(family)));
    let mut rules = vec![SeccompRule::new(other.collect::<Result<_, _>>()?)?];
    for family in [libc::AF_INET, libc::AF_INET6] {
        let family = argument(0, SeccompCmpOp::Eq, number(&family))?;
        for kind in NOT_STREAMS {
            let kind = argument(1, SeccompCmpOp::MaskedEq(KIND), number(kind))?;
            rules.push(SeccompRule::new(vec![family.clone(), kind])?);
        }
        // 0 is the family's own stream, which is TCP.
        rules.push(SeccompRule::new(vec![
            family,
            argument(2, SeccompCmpOp::Ne, 0)?,
            argument(2, SeccompCmpOp::Ne, number(&libc::IPPROTO_TCP))?,
        ])?);
    }
    // Other protocols of the kernel's news carry messages from one process to another.
    rules.push(SeccompRule::new(vec![
        argument(0, SeccompCmpOp::Eq, number(&libc::AF_NETLINK))?,
        argument(2, SeccompCmpOp::Ne, number(&libc::NETLINK_ROUTE))?,
    ])?);
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::thread;

    use rustix::net::{AddressFamily, Protocol, SocketType, netlink, socket};

    use super::*;

    fn news(protocol: Option<Protocol>) -> bool {
        socket(AddressFamily::NETLINK, SocketType::RAW, protocol).is_ok()
    }

    #[test]
    fn datagrams_are_refused_and_streams_are_not() {
        let seen = thread::spawn(|| {
            if !refuse(false).unwrap() {
                return None;
            }
            Some((
                UdpSocket::bind("127.0.0.1:0").map_err(|error| error.raw_os_error()),
                TcpListener::bind("127.0.0.1:0").is_ok(),
                UnixStream::pair().is_ok(),
                [None, Some(netlink::USERSOCK)].map(news),
            ))
        });
        let Some((datagrams, streams, pairs, news)) = seen.join().unwrap() else {
            eprintln!("skipped: this kernel has no seccomp");
            return;
        };
        assert_eq!(datagrams.err(), Some(Some(libc::EPERM)));
        assert!(streams && pairs);
        assert_eq!(
            news,
            [true, false],
            "interfaces are listed, nobody is written to"
        );
    }
}
