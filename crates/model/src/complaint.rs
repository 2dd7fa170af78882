//! What a program, or the engine for it, says that it lacks, as typed facts: told from words where those are read, so that
//! no cause of the catalogue parses a string. What a log says is a claim; what the engine says of a start is its own
//! knowledge.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fact::Incarnation;

/// What a line of a program's log complains about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Complaint {
    /// A variable of its environment is not set.
    VariableMissing {
        /// Which, if it names one.
        name: Option<String>,
    },
    /// Its configuration cannot be read or makes no sense.
    ConfigInvalid {
        /// Which file, if it names one.
        path: Option<String>,
    },
    /// Nobody listens where it wants to connect to.
    ConnectionRefused {
        /// Where: a host's name or address, if it names one.
        host: Option<String>,
        /// The port, if it names one.
        port: Option<u16>,
    },
    /// A host's name has no address.
    NameUnknown {
        /// Which name, if it says so.
        host: Option<String>,
    },
    /// It is not let in: a password or a token is wrong or missing.
    NotLetIn,
    /// A change of its database's schema failed.
    MigrationFailed,
    /// Its data were written by another version of it.
    DataOfAnotherVersion,
    /// It has no right to a file or a call.
    PermissionDenied {
        /// Which path, if it names one.
        path: Option<String>,
    },
    /// It wants to write where nothing can be written.
    ReadOnly {
        /// Which path, if it names one.
        path: Option<String>,
    },
    /// The disk, or its quota, is full.
    NoSpace,
    /// It has as many files open as it may have.
    TooManyFiles,
    /// It has as many processes or threads as it may have.
    TooManyProcesses,
    /// A directory is where it wants a file.
    IsDirectory {
        /// Which path, if it names one.
        path: Option<String>,
    },
    /// A file is not there.
    FileMissing {
        /// Which path, if it names one.
        path: Option<String>,
        /// The engine finds nothing there either, and only a person, or the image's next version, will put it there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        for_good: bool,
    },
    /// A library or a module of its own is not there: its image is not whole.
    ModuleMissing {
        /// Which, if it names one.
        name: Option<String>,
    },
    /// The address that it wants to listen on is taken.
    AddressInUse {
        /// The port, if it names one.
        port: Option<u16>,
        /// The other container that listens there, in a network that both share, as the kernel tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held_by: Option<Incarnation>,
        /// Who listens there, in words, where the kernel tells: a process of the same host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Its own heap, or what it may have, is used up, as it says.
    NoMemory,
    /// A certificate is not accepted.
    Certificate(CertificateFlaw),
    /// Its clock and that of whom it talks to differ too much.
    ClockWrong,
    /// It was made for another kind of processor.
    WrongArchitecture,
    /// Its command is a script that does not say in its first line what reads it, so that the kernel executes nothing.
    NotExecutable {
        /// Which.
        command: String,
    },
    /// A command that its own script calls is not there.
    CommandMissing {
        /// Which.
        command: Option<String>,
    },
    /// A user that it wants to run as is not known.
    UserUnknown {
        /// Which, if it names one.
        user: Option<String>,
    },
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateFlaw {
    /// Its time is over.
    Expired,
    /// Its time has not begun: mostly a clock that is wrong.
    NotYetValid,
    /// It is for another name.
    WrongName,
    /// Nobody that is trusted has signed it, or nothing more is said.
    Untrusted,
}

/// Why the engine could not start a container, as far as its words are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartError {
    /// A port of the host is taken.
    PortTaken {
        /// Which.
        port: u16,
        /// Who holds it, if that was found out.
        by: Option<String>,
        /// The container that holds it, if it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held_by: Option<Incarnation>,
    },
    /// What it mounts is not there.
    MountSourceMissing {
        /// Which path of the host, if the engine names it.
        path: Option<String>,
        /// Nothing but a person will put it there: it is missed among other things, and not where a mount may come.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        for_good: bool,
    },
    /// A file is mounted over a directory, or a directory over a file.
    MountMismatch {
        /// Which path of the host, if the engine names it.
        path: Option<String>,
    },
    /// A network that it is attached to is no more.
    NetworkMissing {
        /// Its name or id.
        network: String,
    },
    /// What it shares a network with is no more, or does not run.
    NetworkParentDown,
    /// The engine has lost track of its last process, and takes it for one that is still there.
    LeftOver,
    /// Its command is not there.
    CommandNotFound {
        /// Which.
        command: String,
    },
    /// Its command is there, and cannot be executed.
    NotExecutable {
        /// Which.
        command: String,
    },
    /// Its command was made for another kind of processor.
    WrongArchitecture,
    /// The user that it shall run as is not known in its image.
    UserUnknown {
        /// Which.
        user: String,
    },
    /// A device of the host is not there.
    DeviceMissing {
        /// Which path.
        path: String,
    },
    /// The engine's disk is full.
    NoSpace,
}

impl Complaint {
    /// Whether it says what it is about: which variable, which path, which host.
    #[must_use]
    pub fn is_particular(&self) -> bool {
        match self {
            Complaint::VariableMissing { name: what }
            | Complaint::ConfigInvalid { path: what }
            | Complaint::ConnectionRefused { host: what, .. }
            | Complaint::NameUnknown { host: what }
            | Complaint::PermissionDenied { path: what }
            | Complaint::ReadOnly { path: what }
            | Complaint::FileMissing { path: what, .. }
            | Complaint::IsDirectory { path: what }
            | Complaint::ModuleMissing { name: what }
            | Complaint::CommandMissing { command: what }
            | Complaint::UserUnknown { user: what } => what.is_some(),
            Complaint::AddressInUse { port, .. } => port.is_some(),
            Complaint::NotLetIn
            | Complaint::MigrationFailed
            | Complaint::DataOfAnotherVersion
            | Complaint::NoSpace
            | Complaint::TooManyFiles
            | Complaint::TooManyProcesses
            | Complaint::NoMemory
            | Complaint::Certificate(_)
            | Complaint::ClockWrong
            | Complaint::NotExecutable { .. }
            | Complaint::WrongArchitecture => true,
        }
    }
}

impl fmt::Display for Complaint {
    /// What it lacks, as the rest of a sentence that begins with "it".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Complaint::VariableMissing { name: Some(name) } => write!(f, "misses the variable {name}"),
            Complaint::VariableMissing { name: None } => f.write_str("misses a variable"),
            Complaint::ConfigInvalid { path: Some(path) } => write!(f, "cannot use its configuration ({path})"),
            Complaint::ConfigInvalid { path: None } => f.write_str("cannot use its configuration"),
            Complaint::ConnectionRefused { host, port } => match (host, port) {
                (Some(host), Some(port)) => write!(f, "is refused a connection to {host}:{port}"),
                (Some(host), None) => write!(f, "is refused a connection to {host}"),
                (None, Some(port)) => write!(f, "is refused a connection to port {port}"),
                (None, None) => f.write_str("is refused a connection"),
            },
            Complaint::NameUnknown { host: Some(host) } => write!(f, "finds no address for {host}"),
            Complaint::NameUnknown { host: None } => f.write_str("finds no address for a name"),
            Complaint::NotLetIn => f.write_str("is not let in: a password or token is wrong or missing"),
            Complaint::MigrationFailed => f.write_str("could not change its database's schema"),
            Complaint::DataOfAnotherVersion => f.write_str("finds data that another version of it has written"),
            Complaint::PermissionDenied { path: Some(path) } => write!(f, "has no right to {path}"),
            Complaint::PermissionDenied { path: None } => f.write_str("lacks a right"),
            Complaint::ReadOnly { path: Some(path) } => write!(f, "cannot write to {path}: it is read-only"),
            Complaint::ReadOnly { path: None } => f.write_str("cannot write: the file system is read-only"),
            Complaint::NoSpace => f.write_str("has no space left on its disk"),
            Complaint::TooManyFiles => f.write_str("has as many files open as it may"),
            Complaint::TooManyProcesses => f.write_str("has as many processes or threads as it may"),
            Complaint::IsDirectory { path: Some(path) } => write!(f, "finds a directory where it wants a file: {path}"),
            Complaint::IsDirectory { path: None } => f.write_str("finds a directory where it wants a file"),
            Complaint::FileMissing { path: Some(path), .. } => write!(f, "misses {path}"),
            Complaint::FileMissing { path: None, .. } => f.write_str("misses a file"),
            Complaint::ModuleMissing { name: Some(name) } => write!(f, "misses a part of itself: {name}"),
            Complaint::ModuleMissing { name: None } => f.write_str("misses a part of itself"),
            Complaint::AddressInUse { port: Some(port), by: Some(by), .. } => {
                write!(f, "cannot listen on port {port}: it is taken by {by}")
            }
            Complaint::AddressInUse { port: Some(port), .. } => write!(f, "cannot listen on port {port}: it is taken"),
            Complaint::AddressInUse { port: None, .. } => f.write_str("cannot listen: the address is taken"),
            Complaint::NoMemory => f.write_str("says that it has no memory left"),
            Complaint::Certificate(CertificateFlaw::Expired) => f.write_str("meets a certificate whose time is over"),
            Complaint::Certificate(CertificateFlaw::NotYetValid) => {
                f.write_str("meets a certificate whose time has not begun: a clock may be wrong")
            }
            Complaint::Certificate(CertificateFlaw::WrongName) => f.write_str("meets a certificate for another name"),
            Complaint::Certificate(CertificateFlaw::Untrusted) => {
                f.write_str("meets a certificate that it does not trust")
            }
            Complaint::ClockWrong => {
                f.write_str("is turned away: its clock and that of the other side differ too much")
            }
            Complaint::WrongArchitecture => f.write_str("was made for another kind of processor"),
            Complaint::NotExecutable { command } => {
                write!(f, "cannot be executed: {command} is a script whose first line does not say what reads it")
            }
            Complaint::CommandMissing { command: Some(command) } => write!(f, "does not find the command {command}"),
            Complaint::CommandMissing { command: None } => f.write_str("does not find a command"),
            Complaint::UserUnknown { user: Some(user) } => write!(f, "knows no user {user}"),
            Complaint::UserUnknown { user: None } => f.write_str("does not know the user that it shall run as"),
        }
    }
}

impl fmt::Display for StartError {
    /// What is the matter, as the rest of a sentence that begins with "it cannot start:".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::PortTaken { port, by: Some(by), .. } => write!(f, "port {port} of the host is taken by {by}"),
            StartError::PortTaken { port, by: None, .. } => write!(f, "port {port} of the host is taken"),
            StartError::MountSourceMissing { path: Some(path), .. } => {
                write!(f, "{path}, which it mounts, is not there")
            }
            StartError::MountSourceMissing { path: None, .. } => f.write_str("what it mounts is not there"),
            StartError::MountMismatch { path: Some(path) } => {
                write!(f, "{path} is a file where a directory is wanted, or the other way round")
            }
            StartError::MountMismatch { path: None } => {
                f.write_str("a file is mounted where a directory is wanted, or the other way round")
            }
            StartError::NetworkMissing { network } => write!(f, "the network {network} is no more"),
            StartError::NetworkParentDown => f.write_str("what it shares a network with does not run"),
            StartError::LeftOver => f.write_str("the engine believes that its last process is still there"),
            StartError::CommandNotFound { command } => write!(f, "there is no {command} in its image"),
            StartError::NotExecutable { command } => write!(f, "{command} cannot be executed"),
            StartError::WrongArchitecture => f.write_str("it was made for another kind of processor"),
            StartError::UserUnknown { user } => write!(f, "its image knows no user {user}"),
            StartError::DeviceMissing { path } => write!(f, "the device {path} is not there"),
            StartError::NoSpace => f.write_str("the engine's disk is full"),
        }
    }
}
