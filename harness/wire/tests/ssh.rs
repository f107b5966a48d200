//! Claims about the ssh road seen from raw sockets: every byte is counted, and who misbehaves harms nobody.

use super::*;
use std::net::{Ipv4Addr, Shutdown};

/// One command asked for by hand, every byte of its three connections counted.
struct Call {
    control: TcpStream,
    stream: TcpStream,
    errors: TcpStream,
    crossed: u64,
}

fn patient(socket: TcpStream) -> TcpStream {
    let patience = Duration::from_secs(20);
    socket.set_read_timeout(Some(patience)).unwrap();
    socket
}

impl Call {
    fn begin(wire: &Wire, line: &str) -> Call {
        let mut control = patient(TcpStream::connect(wire.ssh.unwrap()).unwrap());
        let length = (line.len() as u32).to_be_bytes();
        control.write_all(&length).unwrap();
        control.write_all(line.as_bytes()).unwrap();
        let mut open = || {
            let mut port = [0; 2];
            control.read_exact(&mut port).unwrap();
            let port = u16::from_be_bytes(port);
            patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap())
        };
        let (stream, errors) = (open(), open());
        Call {
            control,
            stream,
            errors,
            crossed: 4 + line.len() as u64 + 4,
        }
    }

    fn send(&mut self, input: &[u8]) {
        self.stream.write_all(input).unwrap();
        self.crossed += input.len() as u64;
    }

    /// Ends the input; the output, the errors, how it ended, and every byte that crossed.
    fn finish(mut self) -> (Vec<u8>, Vec<u8>, Vec<u8>, u64) {
        self.stream.shutdown(Shutdown::Write).unwrap();
        let [output, errors, end] =
            [&mut self.stream, &mut self.errors, &mut self.control].map(|socket| {
                let mut came = Vec::new();
                socket.read_to_end(&mut came).unwrap();
                came
            });
        let crossed = self.crossed + (output.len() + errors.len() + end.len()) as u64;
        (output, errors, end, crossed)
    }
}

#[test]
fn a_command_is_cut_at_the_exact_byte_of_what_it_prints_on_both_streams() {
    let site = Site::holding(&[("a", &noise(1, 300_000))]);
    for after_bytes in [1, 200_001, 599_999] {
        let then = Then::Close;
        let interruption = Interruption { after_bytes, then };
        let wire = Wire::open_interrupted(&site.store, None, interruption).unwrap();
        let mut call = Call::begin(&wire, "cat a & cat a >&2; wait");
        let came = std::thread::scope(|scope| {
            [&mut call.stream, &mut call.errors]
                .map(|socket| {
                    scope.spawn(|| {
                        let mut came = Vec::new();
                        socket.read_to_end(&mut came).ok();
                        came.len() as u64
                    })
                })
                .map(|reading| reading.join().unwrap())
        });
        let traffic = wire.close().unwrap();
        let expected = (after_bytes, after_bytes, "");
        let seen = (came[0] + came[1], traffic.payload_bytes, &*traffic.note);
        assert_eq!(seen, expected);
    }
}

#[test]
fn every_byte_of_all_three_connections_is_counted_once() {
    let site = Site::holding(&[("a", b"text")]);
    let wire = site.open();
    let mut call = Call::begin(&wire, "cat a -; echo no >&2; exit 3");
    call.send(&noise(1, 50_000));
    let (output, errors, end, crossed) = call.finish();
    assert_eq!(output, [b"text", &noise(1, 50_000)[..]].concat());
    assert_eq!((&errors[..], &end[..]), (&b"no\n"[..], &[0, 3][..]));
    let traffic = wire.close().unwrap();
    assert_eq!(all_bytes(&traffic), crossed);
    assert_eq!(
        traffic.payload_bytes,
        50_004 + 3 + 2,
        "errors are payload, and so is an end like this"
    );
    assert_eq!(traffic.upload_bytes, 50_000);
    assert_eq!((traffic.requests, traffic.failed_requests), (1, 1));
}

#[test]
fn both_roads_are_on_one_meter() {
    let site = Site::holding(&[("a", b"text")]);
    let wire = site.open();
    let body = Client::new(&wire.url()).get_bytes("a").unwrap();
    let (output, ..) = Call::begin(&wire, "cat a").finish();
    assert_eq!(body, output);
    let traffic = wire.close().unwrap();
    let names: Vec<&str> = traffic.objects.iter().map(|o| o.object.as_str()).collect();
    assert_eq!(names, ["a", "ssh cat a"]);
    assert_eq!((traffic.payload_bytes, traffic.requests), (8, 2));
}

#[test]
fn what_asks_for_no_command_is_a_failed_request_without_a_name() {
    let site = Site::new();
    let wire = site.open();
    let mut control = patient(TcpStream::connect(wire.ssh.unwrap()).unwrap());
    control.write_all(b"GET ").unwrap();
    assert_eq!(control.read(&mut [0]).unwrap(), 0);
    let traffic = wire.close().unwrap();
    assert_eq!((traffic.requests, traffic.failed_requests), (1, 1));
    assert_eq!(traffic.objects[0].object, "");
    assert_eq!(all_bytes(&traffic), 4);
}

#[test]
fn a_connection_without_a_command_does_not_hold_up_the_end() {
    let site = Site::new();
    let wire = site.open();
    let silent = TcpStream::connect(wire.ssh.unwrap()).unwrap();
    let mut half = TcpStream::connect(wire.ssh.unwrap()).unwrap();
    half.write_all(&[0, 0, 0, 9, b'c']).unwrap();
    // A whole command, so that the two have been accepted.
    Call::begin(&wire, "true").finish();
    let traffic = wire.close().unwrap();
    assert_eq!((traffic.requests, traffic.note.as_str()), (1, ""));
    drop((silent, half));
}

#[test]
fn a_client_that_never_takes_its_output_is_cut_and_noted() {
    let site = Site::new();
    let wire = site.open();
    let mut call = Call::begin(&wire, "echo begun; exec cat /dev/zero");
    call.stream.read_exact(&mut [0; 6]).unwrap();
    let traffic = wire.close().unwrap();
    assert!(traffic.note.contains("were cut"), "{}", traffic.note);
    let mut left = Vec::new();
    // Its command is gone, so there is an end to this.
    call.stream.read_to_end(&mut left).ok();
    assert!(traffic.payload_bytes >= 6 + left.len() as u64);
}
