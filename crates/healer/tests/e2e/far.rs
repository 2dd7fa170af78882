//! A second real engine, and the way to it: a forwarder in the test, which stands for the network in between, a tunnel or
//! a proxy, and can fail as those do. healer knows the engine by the forwarder's address alone.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::docker::{Container, Engine, Recorder, succeed};
use crate::power::{Power, up};
use crate::rig::{SOON, Service, tell, wait_for, write_project};

/// The engine, in a folder below that of the tests' own: whoever removes that ends and removes this. Dropped, it is gone.
pub(crate) struct Far {
    pub(crate) engine: Engine,
    pub(crate) power: Power,
    pub(crate) events: Recorder,
    /// Where its projects are.
    folder: PathBuf,
    project: String,
}

impl Far {
    /// It runs, and on it a project of these services.
    pub(crate) fn start(near: &Engine, folder: &Path, project: &str, services: &[Service]) -> Far {
        let home = near.home().join("far");
        let folder = folder.join("far");
        fs::create_dir(&folder).expect("the folder is ours");
        let engine = Engine::at(format!("unix://{}/d.sock", home.display()), &folder);
        let power = Power::of_another(&engine, near);
        // A test that was killed left it.
        power.remove();
        fs::create_dir(&home).expect("the engine's folder can be written");
        fs::write(home.join("daemon.json"), "{}").expect("the folder is ours");
        power.start();
        let events = Recorder::start(&engine, &folder);
        let far = Far { engine, power, events, folder, project: project.to_owned() };
        let script = "docker --host \"$0\" save healer-test:1 | docker load";
        succeed(far.engine.command("sh").args(["-c", script, &near.url]));
        write_project(&far.folder.join(project), services);
        up(&far.engine, &far.folder.join(project), project);
        far
    }

    pub(crate) fn tell(&self, service: &str, word: &str) {
        tell(&self.folder.join(&self.project), service, word);
    }

    pub(crate) fn container(&self, service: &str) -> Container {
        let found = self.engine.container(&self.project, service);
        found.unwrap_or_else(|| panic!("{}/{service} is not there", self.project))
    }

    pub(crate) fn starts(&self, service: &str) -> usize {
        self.events.count(&self.container(service).id, "start")
    }

    /// `docker stop`, past healer and whatever is between it and the engine.
    pub(crate) fn docker_stop(&self, service: &str) {
        self.engine.docker(&["stop", &self.container(service).id]);
    }

    pub(crate) fn wait_for(&self, service: &str, status: &str) -> Container {
        wait_for(&format!("the far {service} is {status}"), SOON, || {
            Some(self.container(service)).filter(|container| container.status == status)
        })
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.power.remove();
    }
}

/// Passes on, between an address of its own and an engine's socket.
pub(crate) struct Forwarder {
    at: At,
    to: PathBuf,
    serving: Option<Serving>,
    /// What is open of earlier ones.
    left: Vec<Arc<Line>>,
}

/// Where it listens.
#[derive(Clone)]
pub(crate) enum At {
    Port(u16),
    Socket(PathBuf),
}

struct Serving {
    listener: File,
    line: Arc<Line>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Line {
    silent: AtomicBool,
    open: Mutex<Vec<File>>,
}

impl Forwarder {
    /// Over TCP.
    pub(crate) fn over_tcp(engine: &Engine) -> Forwarder {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        Forwarder::at(At::Port(port), engine)
    }

    /// Over a socket in this folder, as `ssh -L` makes it.
    pub(crate) fn over_a_socket(engine: &Engine, folder: &Path) -> Forwarder {
        Forwarder::at(At::Socket(folder.join("forwarded.sock")), engine)
    }

    fn at(at: At, engine: &Engine) -> Forwarder {
        let mut forwarder = Forwarder { at, to: engine.home().join("d.sock"), serving: None, left: Vec::new() };
        forwarder.opens();
        forwarder
    }

    pub(crate) fn url(&self) -> String {
        match &self.at {
            At::Port(port) => format!("tcp://127.0.0.1:{port}"),
            At::Socket(path) => format!("unix://{}", path.display()),
        }
    }

    /// It passes on again.
    pub(crate) fn opens(&mut self) {
        if self.serving.is_some() {
            self.closes();
        }
        let line = Arc::new(Line::default());
        let (to, served) = (self.to.clone(), Arc::clone(&line));
        let listener = listen(&self.at).expect("its address is its own");
        let accepts = listener.try_clone().expect("a socket can be shared");
        let thread = thread::spawn(move || {
            while let Ok(stream) = rustix::net::accept(&accepts) {
                // Whoever broke off needs nothing.
                let _ = served.serve(File::from(stream), &to);
            }
        });
        self.serving = Some(Serving { listener, line, thread });
    }

    /// Nobody listens there any more, and what was open is cut.
    pub(crate) fn closes(&mut self) {
        self.refuses();
        self.left.drain(..).for_each(|line| line.cut());
    }

    /// Nobody listens there any more, and what is open goes on.
    pub(crate) fn refuses(&mut self) {
        let Some(Serving { listener, line, thread }) = self.serving.take() else { return };
        end(&listener);
        thread.join().expect("it does not panic");
        if let At::Socket(path) = &self.at {
            fs::remove_file(path).expect("it was made");
        }
        self.left.push(line);
    }

    /// It takes connections and says nothing more.
    pub(crate) fn falls_silent(&mut self) {
        let serving = self.serving.as_ref().expect("it serves");
        serving.line.silent.store(true, Ordering::SeqCst);
        serving.line.cut();
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.closes();
    }
}

impl Line {
    fn serve(&self, near: File, to: &Path) -> io::Result<()> {
        self.open.lock().expect("nobody panics").push(near.try_clone()?);
        if self.silent.load(Ordering::SeqCst) {
            return Ok(());
        }
        let far = match UnixStream::connect(to) {
            Ok(far) => File::from(OwnedFd::from(far)),
            Err(error) => {
                end(&near);
                return Err(error);
            }
        };
        self.open.lock().expect("nobody panics").push(far.try_clone()?);
        pass(near.try_clone()?, far.try_clone()?);
        pass(far, near);
        Ok(())
    }

    fn cut(&self) {
        self.open.lock().expect("nobody panics").drain(..).for_each(|stream| end(&stream));
    }
}

fn listen(at: &At) -> io::Result<File> {
    let listener = match at {
        At::Port(port) => OwnedFd::from(TcpListener::bind(("127.0.0.1", *port))?),
        At::Socket(path) => OwnedFd::from(UnixListener::bind(path)?),
    };
    Ok(File::from(listener))
}

/// Passes on all that comes from one to the other, in that direction.
fn pass(mut from: File, mut to: File) {
    thread::spawn(move || {
        // Either of them may end at any time.
        let _ = io::copy(&mut from, &mut to);
        end(&to);
    });
}

fn end(stream: &File) {
    // It may have ended by itself.
    let _ = rustix::net::shutdown(stream, rustix::net::Shutdown::Both);
}
